"""Vivado as an implementer, by hls4ml's own design.tcl."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core import settings
from tasks.core.records.base import Entry
from tasks.core.records.design import Implementation, Synthesis
from tasks.core.requirements import Finding
from tasks.store.code import code_digest
from tasks.toolchains.vivado.installation import VIVADO
from tasks.toolchains.vivado.job import Supervision, kind_of
from tasks.toolchains.vivado_hls import implementation, preflight
from tasks.toolchains.vivado_hls.implementation import VivadoBuild
from tasks.toolchains.vivado_hls.project import check as check_project

_HERE = "tasks/toolchains/vivado_hls"


@dataclass(frozen=True)
class DesignTcl:
    """Makes a bitstream by design.tcl.

    Attributes:
        runs: how the tool is run.
    """

    runs: Supervision

    def identity(self) -> dict[str, Any]:
        """Return the version and the code that make a bitstream.

        Raises:
            ToolMissingError: the tools are not there, or do not start.
        """
        return {
            "name": "design.tcl",
            "versions": {VIVADO: preflight.version(VIVADO)},
            "code": code_digest(f"{_HERE}/implementation.py", f"{_HERE}/tcl"),
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
        project, hooks = synthesis.project, self.runs.hooks
        kind = kind_of(project.settings.board_kind)
        check_project(project, files / "project", kind, settings.vivado_work())
        with self.runs.job(
            VIVADO,
            project,
            entry,
            where=preflight.WHERE,
            out=out,
            fill=partial(implementation.fill, files),
            facts={},
        ) as job:
            size = float(synthesis.estimate.lut) if synthesis.estimate else 0.0
            with job.metered(hooks.listener, size) as meter:
                build = VivadoBuild(job.place, job.step, synthesis, meter, hooks.fits)
                job.step.attempt(job.jobs, self.runs.patience, hooks.licence, build.attempt)
            return job.step.collected(build.collect)
