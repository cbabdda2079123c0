"""overlayflow sweep: build, measure and compare many settings of a model."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.cli import bar
from deployments.cli.output import add_output, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.sweeps.file import SweepFile
    from tasks.sweeps.points import Point
    from tasks.sweeps.results import SweepReport
    from tasks.toolchains.base import Progress

COLUMNS = ("point", "state", "pareto", "accuracy", "latency (µs)", "LUT", "LUT estimated", "DSP")


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the arguments of the flow sweep_models."""
    parser = commands.add_parser(
        "sweep",
        help="build, measure and compare many settings of a model",
        description="Runs the flow sweep_models on this machine: turns every point of a sweep "
        "file into an overlay and measures it. Points that have a result are read from the store, "
        "so a stopped sweep continues where it was.",
        epilog="Example: overlayflow sweep examples/digits/sweep.yaml",
    )
    parser.add_argument("file", type=Path, help="sweep file in YAML (docs/sweeps.md)")
    parser.add_argument(
        "--yes", action="store_true", help="start even if the sweep has more than 200 points"
    )
    parser.add_argument(
        "--deployment",
        default="",
        metavar="FLOW/DEPLOYMENT",
        help="run the points on the workers of this deployment, e.g. sweep-point/sweep-point, "
        "instead of on this machine",
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Check the whole sweep within seconds, then run the flow; return 1 if a point failed."""
    from tasks.sweeps.file import SweepFile

    file = SweepFile(arguments.file)
    found = _refuse_bad_input(file, many=arguments.yes)
    from deployments.prefect_server import prefect_server

    with bar.shown(quiet=arguments.quiet) as shown, prefect_server():
        _check_boards(file, found)
        from flows.sweep import SweepAdvanced, sweep_models
        from tasks.orchestration import progress

        def show_sweep(step: str, news: "Progress") -> None:
            if shown and step == "sweep":  # not the steps of its points, of which several run
                shown.show(step, news)

        with progress.watched(show_sweep):
            advanced = SweepAdvanced(point_deployment=arguments.deployment, many=arguments.yes)
            report = sweep_models(arguments.file.absolute(), advanced=advanced)
    if arguments.json:
        print_json(report)
    else:
        _show(report)
    return 1 if report.count("failed") else 0


def _refuse_bad_input(file: "SweepFile", *, many: bool) -> "list[Point]":
    """Check all points before Prefect starts, and return them."""
    from tasks.conversion import datafile
    from tasks.sweeps import search

    if not many:
        search.refuse_too_many(file)
    found = search.check(file)
    for data, target in {(each.data, each.conversion.target) for each in found}:
        datafile.check(data, target)
    return found


def _check_boards(file: "SweepFile", found: "Sequence[Point]") -> None:
    from board.kinds import board_kinds
    from tasks.core.errors import InputError
    from tasks.orchestration import board_block

    parts = {name: kind.part for name, kind in board_kinds().items()}
    for name in dict.fromkeys(each.board for each in found):
        boards = board_block.matching(name)
        there = {parts[board.kind] for board in boards}
        for each in found:
            wanted = each.conversion.board_kind
            if each.board == name and parts[wanted] not in there:
                raise InputError(
                    f"point {each.name!r} is for a {wanted}, but board {name} is a "
                    + " or ".join(board.kind for board in boards),
                    where=file.where("base", "board"),
                    remedy=f"set board and board_kind together, or board: kind={wanted}",
                )


def _show(report: "SweepReport") -> None:
    from tasks.reporting.key_figures import text
    from tasks.sweeps.report import files, summary
    from tasks.sweeps.results import rows

    table = [[text(name, row[name]) for name in COLUMNS] for row in rows(report)]
    # Short columns leave the names of points, which are settings, their room on a terminal.
    columns = [name.replace(" ", "\n") for name in COLUMNS]
    print_table(f"sweep {report.name}", columns, table, narrow=True)
    for each in report.results:
        if each.message:
            print(f"{each.point.name}: {each.state}: {each.message}")
    print(summary(report))
    for what, path in files(report):
        print(f"{what + ':':<14} {path}")
