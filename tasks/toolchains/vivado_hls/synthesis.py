"""Runs hls4ml's build_prj.tcl in Vivado HLS for the step synthesize, phase by phase."""

import contextlib
import itertools
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import BuildError, InputError
from tasks.core.records.design import HlsProject, Synthesis
from tasks.core.records.settings import BuildSettings
from tasks.toolchains.vivado import reports
from tasks.toolchains.vivado.progress import ProgressMeter
from tasks.toolchains.vivado.reports import CsynthReport
from tasks.toolchains.vivado.supervised import Step, judge
from tasks.toolchains.vivado.workplace import Workplace
from tasks.toolchains.vivado_hls import phases
from tasks.toolchains.vivado_hls.phases import Phase
from tasks.toolchains.vivado_hls.progress import HlsProgress

_log = logging.getLogger(__name__)
# What is left of the C simulation on this machine, or of another tool's run, is no source.
_NO_SOURCES = shutil.ignore_patterns("*.so", "*_prj", "*_vivado_accelerator", "__pycache__")
# The tool's databases stay behind; the next step needs the IP, a person the reports.
_DATABASES = shutil.ignore_patterns(".autopilot", "csim", "wrapc*", "autowrap", "*.wdb", "*.log")


def fill(files: Path, project: Path) -> None:
    """Copy a convert entry's project to the workplace."""
    shutil.copytree(files / "project", project, ignore=_NO_SOURCES)
    (project / "tb_data").mkdir(exist_ok=True)


@dataclass(frozen=True)
class HlsBuild:
    """One synthesis.

    Attributes:
        place: its workplace.
        step: of the build.
        project: to synthesize.
        settings: optional steps.
        meter: of the progress.
    """

    place: Workplace
    step: Step
    project: HlsProject
    settings: BuildSettings
    meter: ProgressMeter

    @property
    def _name(self) -> str:
        return self.project.settings.project_name

    def attempt(self, number: int, _jobs: int) -> BuildError | None:
        """Run Vivado HLS once for the phases that are not done yet.

        Args:
            number: of the attempt, from 1.
        """
        directory, wanted = self.place.project, phases.wanted(self.settings)
        done = [phase for phase in wanted if self.place.is_done(phase.name)]
        pending = [phase for phase in wanted if phase not in done]
        if done:
            _log.info("done before: %s", ", ".join(phase.name for phase in done))
        if not pending:
            return None
        phases.clear(pending, directory, self._name)
        progress = HlsProgress(self.meter, wanted, done)
        markers: list[str] = []

        def take(line: str) -> None:
            progress.line(line)
            self.step.tell(line)
            if any(phase.marker in line for phase in pending):
                markers.append(line)
                with contextlib.suppress(OSError):  # it is noted again at the end of the run
                    self._note(pending, "\n".join(markers))

        arguments = phases.arguments(pending, self.settings)
        run = self.step.run(["-f", "build_prj.tcl", arguments], number, on_line=take)
        missing = self._note(pending, run.log.read_text(encoding="utf-8", errors="replace"))
        unfinished = [f"phase {phase.name} has no good end" for phase in missing]
        error = judge(run, self.step, unfinished=unfinished)
        if error is not None and not missing:
            # It is not known which of the phases failed.
            self.place.forget(phase.name for phase in pending)
        return error

    def _note(self, pending: Sequence[Phase], log: str) -> list[Phase]:
        """Record the finished phases, which stay done however the run ends.

        Args:
            pending: requested phases.
            log: the tool's output, or the markers in it.

        Returns:
            The phases that it has not finished.
        """
        directory = self.place.project
        finished = phases.finished(pending, directory, self._name, log)
        # Phases after a missing one used older inputs.
        for phase in itertools.takewhile(finished.__contains__, pending):
            self.place.done(phase.name, phases.outputs(phase, directory, self._name))
        return [phase for phase in pending if phase not in finished]

    def collect(self) -> Synthesis:
        """Copy the entry's files and read the reports.

        Raises:
            InputError: a report is missing or incomplete.
        """
        copy = self.step.out / "project"
        shutil.copytree(self.place.project, copy, ignore=_DATABASES)
        report = copy / f"{self._name}_prj" / "solution1" / "syn" / "report"
        # The core's report leaves out the stream; the top's counts everything.
        core = report / f"{self._name}_csynth.xml"
        top = reports.read_csynth(report / f"{self._name}_axi_csynth.xml")
        latency, interval = _cycles(reports.read_csynth(core), core)
        return Synthesis(
            entry=self.step.entry,
            project=self.project,
            synthesizer="vivado-hls",
            latency_cycles=latency,
            interval_cycles=interval,
            estimate=top.used,
            estimate_is_rough=True,
            versions={self.step.tool: self.step.version},
        )


def _cycles(report: CsynthReport, path: Path) -> tuple[int, int]:
    """Return latency and interval; HLS knows both, as hls4ml's layers have fixed bounds."""
    if report.latency_cycles is None or report.interval_cycles is None:
        raise InputError(
            "it gives no latency: a loop has data-dependent bounds",
            where=str(path),
            remedy="find the loop in its .rpt, and report the layer to hls4ml",
        )
    return report.latency_cycles, report.interval_cycles
