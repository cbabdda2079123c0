"""overlayflow doctor: check this machine, and show the command that provides what is missing."""

import shutil
from argparse import ArgumentParser, Namespace, _SubParsersAction
from typing import TYPE_CHECKING

from deployments.cli.output import add_output, print_json, print_table
from tasks.core.settings import board_python, home, project

if TYPE_CHECKING:  # --help must not import pydantic
    from collections.abc import Iterator

    from tasks.core.requirements import Finding

PACKAGES = ("prefect", "hls4ml", "keras", "tensorflow", "paramiko")
FREE_GB = 2.0


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "doctor",
        help="check this machine, and say how to get what is missing",
        description="Checks the requirements of the conversion, the toolchains, the twin and "
        "Prefect.",
    )
    parser.add_argument("--toolchain", metavar="NAME", help="check only this toolchain")
    parser.add_argument(
        "--board-kind", help="with --toolchain: also check its requirements for this board kind"
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Print the findings; return 0 if nothing is missing that every model needs, else 2."""
    findings = check(arguments.toolchain, arguments.board_kind)
    if arguments.json:
        print_json({"findings": findings})
    else:
        rows = [
            (
                "ok" if each.ok else "optional" if each.optional else "MISSING",
                each.name,
                each.detail,
            )
            for each in findings
        ]
        print_table("overlayflow doctor", ("", "requirement", "found"), rows)
        for each in findings:
            if not each.ok:
                print(f"{each.name}:\n  -> {each.remedy}")
        if arguments.verbose and arguments.toolchain is None:
            _show_details()
    return 0 if all(each.ok or each.optional for each in findings) else 2


def _show_details() -> None:
    """Print what each toolchain needs, and what was found of it."""
    from tasks.toolchains.choice import NAMES, named

    for name in NAMES:
        for each in named(name).check():
            print(f"{name}: {each.name}: {each.detail}")


def check(toolchain: str | None = None, board_kind: str | None = None) -> "list[Finding]":
    """Return all findings, or those of one toolchain, and for a board kind if one is given."""
    from tasks.conversion.frontends import choice as frontends
    from tasks.toolchains.choice import named

    if toolchain is not None:
        return named(toolchain).check(board_kind)
    needs = (*_host(), *frontends.findings(), *named("open").check(), *_toolchains(), _twin())
    return list({each.name: each for each in needs}.values())  # several need a compiler


def _toolchains() -> "Iterator[Finding]":
    """Say what each toolchain would do here, and which one `auto` takes; none of them is needed."""
    from tasks.core.requirements import Finding
    from tasks.toolchains.choice import NAMES, choose, named

    for name in NAMES:
        lacking = [each for each in named(name).check() if not each.ok]
        yield Finding(
            name=f"toolchain {name}",
            ok=not lacking,
            detail=f"lacks {', '.join(each.name for each in lacking)}" if lacking else "ready",
            remedy=lacking[0].remedy if lacking else "",
            optional=True,
        )
    taken = choose("auto")
    yield Finding(name="toolchain auto", ok=True, detail=f"takes {taken.name}: {taken.reason}")


def _host() -> "list[Finding]":
    from tasks.core.requirements import package, program

    return [*(package(name) for name in PACKAGES), program("g++"), _disk()]


def _disk() -> "Finding":
    from tasks.core.requirements import Finding

    place = next(path for path in (home(), *home().parents) if path.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    return Finding(
        name="disk",
        ok=free_gb >= FREE_GB,
        detail=f"{free_gb:.1f} GB free at {home()}",
        remedy="overlayflow store prune, or set OVERLAYFLOW_HOME to a directory on a larger disk",
    )


def _twin() -> "Finding":
    from board.twin.errors import TwinError
    from board.twin.lifecycle import pynq_of
    from tasks.core.requirements import Finding

    python = board_python()
    try:
        return Finding(name="twin", ok=True, detail=f"pynq {pynq_of(python)}")
    except TwinError:
        return Finding(
            name="twin",
            ok=False,
            detail=f"no pynq at {python}",
            remedy=f"make -C {project()} board-env",
        )
