"""Implements with Vivado and hls4ml's design.tcl."""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core import settings
from tasks.core.records.base import Entry
from tasks.core.records.design import Implementation, Synthesis
from tasks.core.requirements import Finding
from tasks.store.code import code_digest
from tasks.toolchains.vivado.implementation import implemented
from tasks.toolchains.vivado.installation import VIVADO
from tasks.toolchains.vivado.job import Supervision, kind_of
from tasks.toolchains.vivado.products import Products
from tasks.toolchains.vivado_hls import preflight
from tasks.toolchains.vivado_hls.project import check as check_project

_NAME = "design.tcl"
_CODE = (
    *("tasks/toolchains/vivado_hls/implementer.py", "tasks/toolchains/vivado_hls/tcl"),
    *("tasks/toolchains/vivado/implementation.py", "tasks/toolchains/vivado/products.py"),
    *("tasks/toolchains/vivado/tcl/runs.tcl", "tasks/toolchains/vivado/tcl/resume.tcl"),
)
_SCRIPT = Path(__file__).resolve().parent / "tcl" / "implement.tcl"
_DRIVER = "axi_stream_driver.py"


@dataclass(frozen=True)
class DesignTcl:
    """Makes a bitstream with design.tcl.

    Attributes:
        runs: runs the tool.
    """

    runs: Supervision

    def identity(self) -> dict[str, Any]:
        """Return the version and the code that make a bitstream.

        Raises:
            ToolMissingError: the tools are not there, or do not start.
        """
        return {
            "name": _NAME,
            "versions": {VIVADO: preflight.version(VIVADO)},
            "code": code_digest(*_CODE),
        }

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return what both tools need of this machine, and for a kind of board.

        Raises:
            InputError: nothing is built for that kind.
        """
        return preflight.check(board_kind)

    def implement(
        self, synthesis: Synthesis, files: Path, entry: Entry, out: Path
    ) -> Implementation:
        """Make the bitstream of a synthesis.

        Raises:
            InputError: this project, or this machine, cannot be used; found in seconds.
            ToolError: Vivado failed.
        """
        project = synthesis.project
        kind = kind_of(project.settings.board_kind)
        check_project(project, files / "project", kind, settings.vivado_work())
        with self.runs.job(
            VIVADO,
            project,
            entry,
            where=preflight.WHERE,
            check=preflight.examine,
            out=out,
            fill=partial(shutil.copytree, files / "project"),
            facts={},
        ) as job:
            directory, name = job.place.project, project.settings.project_name
            shutil.copyfile(directory / _DRIVER, out / _DRIVER)
            return implemented(
                job,
                self.runs,
                synthesis,
                implementer=_NAME,
                products=Products.of_hls4ml(directory, name, project.part),
                script=_SCRIPT,
            )
