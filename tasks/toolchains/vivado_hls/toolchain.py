"""Toolchain `vivado`: the way of the hls4ml documentation, in a form that fails with a reason."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from board.kinds import BoardKind, board_kinds
from tasks.core import settings
from tasks.core.errors import InputError
from tasks.core.records.base import Entry, ToolchainName
from tasks.core.records.design import HlsProject, Implementation, Synthesis
from tasks.core.records.settings import BuildSettings
from tasks.core.requirements import Finding, program, require
from tasks.toolchains.base import Hooks, Listener, Progress, times
from tasks.toolchains.vivado import preflight, progress
from tasks.toolchains.vivado.installation import HLS, VIVADO, ToolName, find
from tasks.toolchains.vivado.preflight import Machine, jobs
from tasks.toolchains.vivado.progress import Duration, ProgressMeter
from tasks.toolchains.vivado.supervised import Limits, Patience, Step
from tasks.toolchains.vivado.workplace import Workplace, opened
from tasks.toolchains.vivado_hls import implementation
from tasks.toolchains.vivado_hls import synthesis as synthesis_step
from tasks.toolchains.vivado_hls.implementation import VivadoBuild
from tasks.toolchains.vivado_hls.project import check as check_project
from tasks.toolchains.vivado_hls.project import place
from tasks.toolchains.vivado_hls.synthesis import HlsBuild

WHERE = "toolchain vivado"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Job:
    """One step, ready to run.

    Attributes:
        place: where it runs.
        step: that runs.
        part: for which.
        jobs: runs that the machine can do at the same time.
    """

    place: Workplace
    step: Step
    part: str
    jobs: int

    @contextlib.contextmanager
    def metered(self, listener: Listener, size: float) -> Iterator[ProgressMeter]:
        """Yield a meter of progress; the time of a good build becomes the next one's estimate."""
        name, directory = self.step.entry.step, settings.vivado_work()
        meter = ProgressMeter(
            _said(listener), progress.expected_s(directory, name, self.part, size)
        )
        yield meter
        meter.tell("done", 1.0)
        # Of a build that was resumed, or tried again, only the rest was timed.
        if self.place.is_new and len(self.step.runs) == 1:
            seconds = self.step.runs[0].seconds
            progress.note(
                directory, Duration(step=name, part=self.part, size=size, seconds=seconds)
            )


def _kind(name: str) -> BoardKind:
    if name in board_kinds():
        return board_kinds()[name]
    raise InputError(
        f"unknown board kind {name!r}",
        where="board_kind",
        remedy=f"one of {', '.join(board_kinds())}",
    )


def _said(listener: Listener) -> Listener:
    """A listener whose news are logged as well."""

    def both(progress: Progress) -> None:
        taken = times(progress.elapsed_s, progress.left_s)
        _log.info("%3.0f %% %s, %s", 100 * progress.fraction, progress.phase, taken)
        listener(progress)

    return both


@dataclass(frozen=True)
class VivadoToolchain:
    """Vivado HLS synthesizes, Vivado implements, both by hls4ml's own scripts.

    Attributes:
        build: what the synthesis does beside its work.
        hooks: of whoever runs it.
        patience: with failures that another try may cure.
        limits: when a tool is stopped.
    """

    build: BuildSettings = field(default_factory=BuildSettings)
    hooks: Hooks = field(default_factory=Hooks)
    patience: Patience = field(default_factory=Patience)
    limits: Limits = field(default_factory=Limits)

    @property
    def name(self) -> ToolchainName:
        """As records have it."""
        return "vivado"

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """What it needs of this machine, and for a kind of board.

        Raises:
            InputError: it builds nothing for that kind.
        """
        kind, work = None if board_kind is None else _kind(board_kind), settings.vivado_work()
        found = preflight.check(find(), kind, Machine.this(work)).findings
        return [*found, place(work), program("g++")]  # for the C simulation of the conversion

    def versions(self) -> dict[str, str]:
        """Versions of its tools.

        Raises:
            ToolMissingError: they are not there, or do not start.
        """
        found = preflight.tools(find())
        require(found.findings, WHERE)
        return {str(name): version for name, version in found.versions.items()}

    def synthesize(self, project: HlsProject, files: Path, entry: Entry, out: Path) -> Synthesis:
        """An IP of a project.

        Raises:
            InputError: this project, or this machine, cannot be used; found in seconds.
            ToolError: Vivado HLS failed.
        """
        with self._job(HLS, project, entry, files=files, out=out, fill=synthesis_step.fill) as job:
            weights = job.place.project / "firmware" / "weights"
            size = float(sum(file.stat().st_size for file in weights.iterdir()))
            with job.metered(self.hooks.listener, size) as meter:
                build = HlsBuild(job.place, job.step, project, self.build, meter)
                job.step.attempt(1, self.patience, self.hooks.licence, build.attempt)
            return job.step.collected(build.collect)

    def implement(
        self, synthesis: Synthesis, files: Path, entry: Entry, out: Path
    ) -> Implementation:
        """A bitstream of a synthesis.

        Raises:
            InputError: this project, or this machine, cannot be used; found in seconds.
            ToolError: Vivado failed.
        """
        project, fill = synthesis.project, implementation.fill
        with self._job(VIVADO, project, entry, files=files, out=out, fill=fill) as job:
            size = float(synthesis.estimate.lut) if synthesis.estimate else 0.0
            with job.metered(self.hooks.listener, size) as meter:
                build = VivadoBuild(job.place, job.step, synthesis, meter, self.hooks.fits)
                job.step.attempt(job.jobs, self.patience, self.hooks.licence, build.attempt)
            return job.step.collected(build.collect)

    @contextlib.contextmanager
    def _job(
        self,
        tool: ToolName,
        project: HlsProject,
        entry: Entry,
        *,
        files: Path,
        out: Path,
        fill: Callable[[Path, Path], None],
    ) -> Iterator[_Job]:
        """Check all that can be checked in seconds, then open the workplace."""
        kind = _kind(project.settings.board_kind)
        work = settings.vivado_work()
        check_project(project, files / "project", kind, work)
        installation, machine = find(), Machine.this(work)
        found = preflight.check(installation, kind, machine)
        require(found.findings, WHERE)
        with opened(work, entry, partial(fill, files)) as place:
            step = Step(
                entry=entry,
                tool=tool,
                program=installation.tools[tool],
                version=found.versions[tool],
                environment={**installation.environment, **preflight.preloaded(machine)},
                project=place.project,
                out=out,
                deadline_s=getattr(self.limits, f"{entry.step}_s"),
                stall_s=self.limits.stall_s,
                facts={
                    "project": project.model_dump(mode="json"),
                    "build": self.build.model_dump(mode="json"),
                    "tools": found.versions,
                    "machine": asdict(machine),
                },
            )
            yield _Job(place=place, step=step, part=project.part, jobs=jobs(kind, machine))
            place.complete()
