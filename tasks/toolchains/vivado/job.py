"""Runs one step with a vendor's tool: preflight, workplace, progress, recorded time."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from board.kinds import BoardKind, board_kinds
from tasks.core import settings
from tasks.core.errors import InputError
from tasks.core.records.base import Entry
from tasks.core.records.design import HlsProject
from tasks.core.requirements import require
from tasks.toolchains.base import Hooks, Listener, Progress, times
from tasks.toolchains.vivado import preflight, progress
from tasks.toolchains.vivado.installation import Installation, ToolName, find
from tasks.toolchains.vivado.preflight import Machine, Preflight
from tasks.toolchains.vivado.progress import Duration, ProgressMeter
from tasks.toolchains.vivado.supervised import Limits, Patience, Step
from tasks.toolchains.vivado.workplace import Workplace, opened

_log = logging.getLogger(__name__)

Check = Callable[[Installation, BoardKind | None, Machine], Preflight]


@dataclass(frozen=True)
class Job:
    """A step that is ready to run.

    Attributes:
        place: its workplace.
        step: to run.
        part: target part.
        jobs: parallel runs that the machine can do.
    """

    place: Workplace
    step: Step
    part: str
    jobs: int

    @contextlib.contextmanager
    def metered(self, listener: Listener, size: float) -> Iterator[ProgressMeter]:
        """Yield a progress meter; the time of a good build becomes the next one's estimate."""
        name, directory = self.step.entry.step, settings.vivado_work()
        meter = ProgressMeter(
            _said(listener), progress.expected_s(directory, name, self.part, size)
        )
        yield meter
        meter.tell("done", 1.0)
        # In a resumed or retried build, only the rest was timed.
        if self.place.is_new and len(self.step.runs) == 1:
            seconds = self.step.runs[0].seconds
            progress.note(
                directory, Duration(step=name, part=self.part, size=size, seconds=seconds)
            )


@dataclass(frozen=True)
class Supervision:
    """Settings for running a toolchain's tools.

    Attributes:
        hooks: of the caller.
        patience: retries of failures that may be transient.
        limits: after which a tool is stopped.
    """

    hooks: Hooks = field(default_factory=Hooks)
    patience: Patience = field(default_factory=Patience)
    limits: Limits = field(default_factory=Limits)

    @contextlib.contextmanager
    def job(
        self,
        tool: ToolName,
        project: HlsProject,
        entry: Entry,
        *,
        where: str,
        check: Check,
        out: Path,
        fill: Callable[[Path], object],
        facts: Mapping[str, Any],
    ) -> Iterator[Job]:
        """Run all quick checks, then yield a job in its workplace.

        Args:
            tool: to run.
            project: to build.
            entry: store entry to make.
            where: the toolchain, for errors.
            check: checks what the toolchain needs on this machine.
            out: directory for the logs.
            fill: creates the workplace's project before any tool runs there.
            facts: for a failure's bundle, besides project, tools and machine.

        Raises:
            InputError: this machine cannot be used.
        """
        kind, work = kind_of(project.settings.board_kind), settings.vivado_work()
        installation, machine = find(), Machine.this(work)
        found = check(installation, kind, machine)
        require(found.findings, where)
        with opened(work, entry, fill) as place:
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
                    "tools": found.versions,
                    "machine": asdict(machine),
                    **facts,
                },
            )
            yield Job(place=place, step=step, part=project.part, jobs=preflight.jobs(kind, machine))
            place.complete()


def kind_of(name: str) -> BoardKind:
    """Return the board kind of that name; raise InputError if there is none."""
    if name in board_kinds():
        return board_kinds()[name]
    raise InputError(
        f"unknown board kind {name!r}",
        where="board_kind",
        remedy=f"one of {', '.join(board_kinds())}",
    )


def _said(listener: Listener) -> Listener:
    """Return a listener that also logs progress."""

    def both(progress: Progress) -> None:
        taken = times(progress.elapsed_s, progress.left_s)
        _log.info("%3.0f %% %s, %s", 100 * progress.fraction, progress.phase, taken)
        listener(progress)

    return both
