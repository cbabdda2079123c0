"""The traced core as a synthesizer: RTL by distributed arithmetic, without any vendor tool."""

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tasks.core.records.base import Entry
from tasks.core.records.design import HlsProject, Synthesis
from tasks.core.requirements import Finding, package
from tasks.processes.child import run_child
from tasks.store.code import code_digest
from tasks.toolchains.cores.child import CoreRequest
from tasks.toolchains.cores.report import CoreReport

log = logging.getLogger(__name__)

DEADLINE_S = 4 * 3600.0


class TracedCore:
    """Traces the converted graph into RTL that is bit-exact with the hls4ml C simulation."""

    def identity(self) -> dict[str, Any]:
        """Return the versions and the code that make a core."""
        return {
            "name": "traced",
            "versions": {"alkaid": version("alkaid")},
            "code": code_digest("tasks/toolchains/cores"),
        }

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return whether alkaid is here; all kinds of boards need the same."""
        del board_kind
        return [package("alkaid")]

    def synthesize(self, project: HlsProject, files: Path, entry: Entry, out: Path) -> Synthesis:
        """Trace the converted graph into RTL, bit-exact on every test sample.

        Raises:
            UnsupportedModelError: a layer that cannot be traced.
            ToolError: the traced logic differs from the C simulation.
        """
        report = run_child(
            "tasks.toolchains.cores.child",
            CoreRequest(
                files=files,
                project_name=project.settings.project_name,
                out=out,
                clock_period_ns=project.settings.clock_period_ns,
            ),
            CoreReport,
            cwd=out,
            log=out / "synthesize.log",
            step="synthesize",
            deadline_s=DEADLINE_S,
            on_line=_pass_on,
        )
        log.info(
            "core: %d cycles latency, bit-exact on %d samples",
            report.latency_cycles,
            report.samples,
        )
        return Synthesis(
            entry=entry,
            project=project,
            synthesizer="traced",
            latency_cycles=report.latency_cycles,
            interval_cycles=report.interval_cycles,
            estimate=report.estimate,
            luts_by_layer=report.luts_by_layer,
            versions=report.versions,
        )


def _pass_on(line: str) -> None:
    warning = line.removeprefix("WARNING: ")
    log.log(logging.INFO if warning == line else logging.WARNING, "%s", warning)
