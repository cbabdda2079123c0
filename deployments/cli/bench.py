"""overlayflow bench: measure an existing package."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.cli.output import add_output, print_json, print_table
from deployments.cli.run import add_gates, check_boards, measured, named, show

if TYPE_CHECKING:
    from flows.benchmark import BenchmarkAdvanced
    from tasks.core.records.measurement import Run


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the arguments of the flow benchmark_package."""
    parser = commands.add_parser(
        "bench",
        help="measure a package on one or more boards",
        description="Runs the flow benchmark_package on this machine: transfers a package.tar.gz "
        "to a board, measures it there and compares its outputs with those of the C simulation, "
        "which the package contains. With several boards, runs benchmark_boards: in parallel, and "
        "a board that fails does not stop the others.",
    )
    parser.add_argument("package", type=Path, help="package.tar.gz")
    parser.add_argument(
        "--board", action="append", default=[], metavar="BOARD",
        help="board to measure on, or kind=...,tag=...; may be repeated (default: twin)",
    )  # fmt: skip
    parser.add_argument(
        "--trust",
        action="store_true",
        help="trust this package from now on, although it was not made on this machine",
    )
    add_gates(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Check the input within a second, then run the flow."""
    from deployments.prefect_server import prefect_server
    from tasks.packaging import trust

    trust.admit(arguments.package, trusted=arguments.trust)
    names = arguments.board or ["twin"]
    with prefect_server():
        check_boards(names)
        if len(names) > 1:
            return _on_several(arguments, names)
        outcome, failure = measured(lambda: _on_one(arguments, names[0]))
    show(outcome, as_json=arguments.json)  # a temporary server has no page to name
    if failure is not None:
        raise failure
    return 0


def _on_one(arguments: Namespace, board: str) -> "Run":
    from flows.benchmark import benchmark_package

    return named(benchmark_package, arguments.name)(
        package=arguments.package.absolute(), board=board, advanced=_advanced(arguments)
    )


def _on_several(arguments: Namespace, names: list[str]) -> int:
    from flows.boards import benchmark_boards
    from tasks.core.errors import BoardsFailedError
    from tasks.reporting import comparison

    failure = None
    try:
        compared = named(benchmark_boards, arguments.name)(
            package=arguments.package.absolute(),
            boards=tuple(names),
            advanced=_advanced(arguments),
        )
    except BoardsFailedError as error:
        if not isinstance(error.outcomes, comparison.Comparison):
            raise
        compared, failure = error.outcomes, error
    if arguments.json:
        print_json(compared)
    else:
        print_table(
            str(arguments.package),
            comparison.columns(compared),
            comparison.rows(compared),
        )
    if failure is not None:
        raise failure
    return 0


def _advanced(arguments: Namespace) -> "BenchmarkAdvanced":
    from flows.benchmark import BenchmarkAdvanced
    from tasks.core.records.settings import MeasureSettings
    from tasks.quality.gates import GateSettings

    return BenchmarkAdvanced(
        limits=GateSettings(mode=arguments.gates),
        measurement=MeasureSettings(wait_s=arguments.wait),
    )
