"""Synthesizes with Vivado HLS and hls4ml's build_prj.tcl."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core import settings
from tasks.core.records.base import Entry
from tasks.core.records.design import HlsProject, Synthesis
from tasks.core.records.settings import BuildSettings
from tasks.core.requirements import Finding
from tasks.store.code import code_digest
from tasks.toolchains.vivado.installation import HLS
from tasks.toolchains.vivado.job import Supervision, kind_of
from tasks.toolchains.vivado_hls import preflight, synthesis
from tasks.toolchains.vivado_hls.project import check as check_project
from tasks.toolchains.vivado_hls.synthesis import HlsBuild

_HERE = "tasks/toolchains/vivado_hls"


@dataclass(frozen=True)
class BuildPrjTcl:
    """Makes an IP with build_prj.tcl.

    Attributes:
        build: optional steps.
        runs: runs the tool.
    """

    build: BuildSettings
    runs: Supervision

    def identity(self) -> dict[str, Any]:
        """Return the settings, the version and the code that make an IP.

        Raises:
            ToolMissingError: the tools are not there, or do not start.
        """
        code = ("project.py", "phases.py", "synthesis.py")
        return {
            "name": "vivado-hls",
            "build": self.build.model_dump(mode="json"),
            "versions": {HLS: preflight.version(HLS)},
            "code": code_digest(*(f"{_HERE}/{name}" for name in code)),
        }

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return what both tools need of this machine, and for a kind of board.

        Raises:
            InputError: nothing is built for that kind.
        """
        return preflight.check(board_kind)

    def synthesize(self, project: HlsProject, files: Path, entry: Entry, out: Path) -> Synthesis:
        """Make the IP of a project.

        Raises:
            InputError: this project, or this machine, cannot be used; found in seconds.
            ToolError: Vivado HLS failed.
        """
        kind = kind_of(project.settings.board_kind)
        check_project(project, files / "project", kind, settings.vivado_work())
        with self.runs.job(
            HLS,
            project,
            entry,
            where=preflight.WHERE,
            check=preflight.examine,
            out=out,
            fill=partial(synthesis.fill, files),
            facts={"build": self.build.model_dump(mode="json")},
        ) as job:
            weights = job.place.project / "firmware" / "weights"
            size = float(sum(file.stat().st_size for file in weights.iterdir()))
            with job.metered(self.runs.hooks.listener, size) as meter:
                build = HlsBuild(job.place, job.step, project, self.build, meter)
                job.step.attempt(1, self.runs.patience, self.runs.hooks.licence, build.attempt)
            return job.step.collected(build.collect)
