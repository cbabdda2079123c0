"""overlayflow estimate: what cores of a model would take, before any tool is started."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.cli import run as run_command
from deployments.cli.output import add_output, print_json, print_table

if TYPE_CHECKING:
    from tasks.toolchains.cores.outline import Outline

DEADLINE_S = 600.0


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "estimate",
        help="estimate what the cores of a model would take, in seconds",
        description="Converts a model's graph and estimates its cores without any toolchain: each "
        "layer of a folded core, folded cores at longer intervals, and what fits each board kind.",
        epilog="Example: overlayflow estimate examples/digits/digits.keras --interval 256",
    )
    run_command.add_model(parser)
    run_command.add_conversion(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Estimate in a child process, which alone imports the framework."""
    import tempfile

    from tasks.conversion import datafile
    from tasks.conversion.convert import check_settings
    from tasks.conversion.frontends import choice
    from tasks.conversion.modelfile import identify
    from tasks.processes.child import run_child
    from tasks.toolchains.cores.outline import Outline, OutlineRequest

    settings = run_command.settings_of(arguments)
    check_settings(settings)
    file = identify(arguments.model, settings.framework)
    choice.versions(file)  # what is not installed is named before the child misses it
    if arguments.data:
        datafile.check(arguments.data, arguments.target)
    with tempfile.TemporaryDirectory() as scratch:
        found = run_child(
            "tasks.toolchains.cores.outline",
            OutlineRequest(
                model=arguments.model.absolute(),
                data=arguments.data and arguments.data.absolute(),
                settings=settings,
            ),
            Outline,
            cwd=Path(scratch),
            log=Path(scratch, "estimate.log"),
            step="estimate",
            deadline_s=DEADLINE_S,
            packages=choice.packages(file),
        )
    if arguments.json:
        print_json(found)
    else:
        _show(found, settings.board_kind)
    return 0


def _show(found: "Outline", board_kind: str) -> None:
    for line in found.table:
        print(line)
    print(f"{found.chosen}\n")
    if found.curve:
        print_table(
            f"folded cores on {board_kind}, by estimate",
            ("clocks a sample", "LUT", "DSP", "BRAM", "share of the part", "limited by"),
            [
                (
                    f"{core.interval_cycles:,}",
                    f"{core.used.lut:,}",
                    str(core.used.dsp),
                    f"{core.used.bram_36k:g}",
                    f"{core.share:.1%}",
                    core.limiting,
                )
                for core in found.curve
            ],
        )
    print_table(
        "board kinds, by estimate",
        ("board kind", "part", "core", "clocks a sample", "share of the part"),
        [
            (
                each.board_kind,
                each.part,
                each.core or "none fits",
                # Either core waits for the words of the stream.
                f"{max(each.interval_cycles, found.words):,}",
                f"{each.share:.1%}",
            )
            for each in found.boards
        ],
    )
