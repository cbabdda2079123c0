"""Implements a core in Verilog with any Vivado, in our own block design, without HLS."""

import shutil
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from board.kinds import BoardKind
from tasks.core import settings
from tasks.core.errors import InputError
from tasks.core.records.base import Entry
from tasks.core.records.design import TWIN, Implementation, Synthesis
from tasks.core.requirements import Finding, package, program, require
from tasks.hardware.clocks import processing_system
from tasks.store.code import code_digest
from tasks.toolchains.open.twin import shelled, stock_driver, write_handoff, write_image
from tasks.toolchains.shell.shell import Design
from tasks.toolchains.vivado import preflight
from tasks.toolchains.vivado.implementation import implemented
from tasks.toolchains.vivado.installation import VIVADO, find
from tasks.toolchains.vivado.job import Supervision, kind_of
from tasks.toolchains.vivado.preflight import Machine
from tasks.toolchains.vivado.products import Products
from tasks.toolchains.vivado.workplace import usable

WHERE = "toolchain vivado"
_NAME = "block-design"
_VERILATOR = "verilator"
_CODE = (
    *("tasks/toolchains/vivado/tcl", "tasks/toolchains/vivado/implementer.py"),
    *("tasks/toolchains/vivado/implementation.py", "tasks/toolchains/vivado/products.py"),
    *("tasks/toolchains/open/twin.py", "tasks/toolchains/open/image.py"),
    *("tasks/toolchains/shell", "tasks/hardware"),
)
_SCRIPT = Path(__file__).resolve().parent / "tcl" / "build.tcl"
_SOURCES = "rtl"
_PROJECT = "vivado"


@dataclass(frozen=True)
class BlockDesign:
    """Puts a traced core between a DMA's streams and builds the bitstream.

    Attributes:
        runs: runs Vivado.
    """

    runs: Supervision

    def identity(self) -> dict[str, Any]:
        """Return the versions and the code that make a bitstream.

        Raises:
            ToolMissingError: Vivado is not there, is too old, or does not start.
        """
        found = preflight.tools(find())
        require(found.findings, WHERE)
        versions = {VIVADO: found.versions[VIVADO], _VERILATOR: version(_VERILATOR)}
        return {"name": _NAME, "versions": versions, "code": code_digest(*_CODE)}

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return what it needs of this machine, and for a kind of board.

        Raises:
            InputError: it builds nothing for that kind.
        """
        work = settings.vivado_work()
        kind = None if board_kind is None else kind_of(board_kind)
        found = preflight.check(find(), kind, Machine.this(work)).findings
        return [*found, usable(work), package(_VERILATOR), program("g++")]

    def implement(
        self, synthesis: Synthesis, files: Path, entry: Entry, out: Path
    ) -> Implementation:
        """Build a bitstream, and the twin's image from the same sources.

        Raises:
            InputError: the project or this machine cannot be used; found in seconds.
            ToolError: Vivado, or a tool that makes the twin's image, failed.
        """
        project = synthesis.project
        name, part = project.settings.project_name, project.part
        kind = kind_of(project.settings.board_kind)
        _require_usable(part, kind)
        with self.runs.job(
            VIVADO,
            project,
            entry,
            where=WHERE,
            check=preflight.check,
            out=out,
            fill=partial(_write_sources, synthesis, files / _SOURCES),
            facts={},
        ) as job:
            directory = job.place.project
            write_handoff(project, out / f"{name}{TWIN}.hwh")
            write_image(_design(directory, name), part, out / f"{name}{TWIN}.bit", out)
            shutil.copyfile(stock_driver(), out / "axi_stream_driver.py")
            return implemented(
                job,
                self.runs,
                synthesis,
                implementer=_NAME,
                products=Products(directory, name, part, _PROJECT),
                script=_SCRIPT,
                arguments=_arguments(name, kind),
            )


def _arguments(name: str, kind: BoardKind) -> tuple[str, ...]:
    """Return the arguments of tcl/build.tcl after the jobs and the clock."""
    system = kind.processing_system
    return (
        *(
            name,
            kind.part,
            system,
            f"{processing_system(system).source_mhz:g}",
            preflight.board_pattern(kind),
        ),
        str(int(preflight.needs_board_files(kind))),
    )


def _require_usable(part: str, kind: BoardKind) -> None:
    """Raise InputError if a project's part is not its board's, or has no block design."""
    if part != kind.part:
        raise InputError(
            f"part {part} is not that of {kind.name}, {kind.part}",
            where="board_kind",
            remedy="convert the model again",
        )
    place = usable(settings.vivado_work())
    if not place.ok:
        raise InputError(place.detail, where=WHERE, remedy=place.remedy)


def _write_sources(synthesis: Synthesis, core: Path, directory: Path) -> None:
    """Write a core and its shell to the directory where Vivado runs."""
    sources = directory / _SOURCES
    sources.mkdir(parents=True)
    for file in shelled(synthesis, core, sources).files:
        if file.parent != sources.resolve():
            shutil.copy(file, sources)


def _design(directory: Path, name: str) -> Design:
    """Return the design that `_write_sources` wrote, so that the twin runs what Vivado builds."""
    files = sorted((directory / _SOURCES).iterdir())
    return Design(top=f"{name}_axi", files=tuple(file.resolve() for file in files))
