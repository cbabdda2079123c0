"""overlayflow bench: measure a package that exists."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from deployments.cli.output import add_json
from deployments.cli.run import add_gates, show


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Arguments of the flow benchmark_package."""
    parser = commands.add_parser(
        "bench",
        help="measure a package on a board",
        description="Runs the flow benchmark_package here: a package.tar.gz goes to a board, is "
        "measured there and held against the C simulation's outputs that it carries.",
    )
    parser.add_argument("package", type=Path, help="package.tar.gz")
    parser.add_argument(
        "--board", default="twin", help="board that measures, or kind=...,tag=... (%(default)s)"
    )
    add_gates(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Check the input in a second, then run the flow."""
    from tasks import boards
    from tasks.packaging import archive

    archive.read_manifest(arguments.package)
    if boards.twin_address(arguments.board) is None:
        from tasks import board_block

        board_block.matching(arguments.board)
    from flows.benchmark import benchmark_package
    from tasks.gates import GateSettings

    outcome = benchmark_package(
        package=arguments.package.absolute(),
        board=arguments.board,
        limits=GateSettings(mode=arguments.gates),
    )
    show(outcome, as_json=arguments.json)
    return 0
