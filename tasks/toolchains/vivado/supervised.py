"""Runs one step of a build: its attempts, its progress, and the bundle of a failure."""

import contextlib
import itertools
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tasks.core import settings
from tasks.core.errors import BuildError, FailureClass, OverlayflowError, ToolError
from tasks.core.records.base import Entry, Record
from tasks.processes.log import first_errors
from tasks.processes.redaction import redact, redact_file
from tasks.processes.run import ToolRun, failure, supervise
from tasks.toolchains.base import LicenceContext
from tasks.toolchains.vivado import bundle, diagnosis
from tasks.toolchains.vivado.diagnosis import Diagnosis, Log
from tasks.toolchains.vivado.installation import ToolName

_log = logging.getLogger(__name__)
# Prefect delivers cancellations between two sleeps.
_SLICE_S = 0.5

Attempt = Callable[[int, int], BuildError | None]


def pause(seconds: float) -> None:
    """Sleep, in slices."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(_SLICE_S, left))


@dataclass(frozen=True)
class Patience:
    """How often, and after what pauses, a failed tool is run again.

    Attributes:
        licence_first_s: first pause if all licences are taken; each further one is twice as long,
            with random jitter.
        licence_longest_s: longest pause.
        licence_s: total of all pauses for a licence.
        crash_s: pause after a crash of the tool.
        sleep: how to pause.
    """

    licence_first_s: float = 30.0
    licence_longest_s: float = 600.0
    licence_s: float = 12 * 3600.0
    crash_s: float = 10.0
    sleep: Callable[[float], None] = pause


@dataclass
class Attempts:
    """Counts the attempts at one step, and decides about the next.

    Args:
        jobs: parallel jobs of the tool.
        patience: retries of failures that may be transient.
        licence: held only while the tool runs.
    """

    jobs: int
    patience: Patience
    licence: LicenceContext
    _tries: int = field(default=0, init=False)
    _crashes: int = field(default=0, init=False)
    _waited_s: float = field(default=0.0, init=False)

    def run(self, attempt: Attempt) -> None:
        """Make attempts until one succeeds.

        Args:
            attempt: is given the number of the attempt, from 1, and the number of jobs.

        Raises:
            BuildError: of the last attempt.
        """
        while True:
            self._tries += 1
            with self.licence():
                error = attempt(self._tries, self.jobs)
            if error is None:
                return
            error.tries = self._tries
            seconds = self._next(error)
            if seconds is None:
                raise error
            _log.warning("try %d failed: %s; once more in %.0f s", self._tries, error.what, seconds)
            self.patience.sleep(seconds)

    def _next(self, error: BuildError) -> float | None:
        """Return the seconds until the next attempt; None for no further one."""
        if is_licence(error):
            return self._licence_pause()
        if error.failure_class == "transient" and not self._crashes:
            self._crashes += 1
            return self.patience.crash_s
        if error.failure_class == "resource" and self.jobs > 1 and not is_disk(error):
            self.jobs = max(1, self.jobs // 2)
            _log.warning("going on with %d parallel runs", self.jobs)
            return 0.0
        return None

    def _licence_pause(self) -> float | None:
        if self._waited_s >= self.patience.licence_s:
            return None
        pauses = self._tries - 1
        longest = min(
            self.patience.licence_first_s * 2.0 ** min(pauses, 20), self.patience.licence_longest_s
        )
        seconds = longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._waited_s += seconds
        return seconds


def is_licence(error: BuildError) -> bool:
    """Return whether the error is a lack of licences that may be free later."""
    return error.failure_class == "transient" and error.signature.startswith("licence-")


def is_disk(error: BuildError) -> bool:
    """Return whether a disk was full, which fewer jobs do not change."""
    return error.signature.startswith("disk-")


_R = TypeVar("_R", bound=Record)
# Beginnings of the lines to show: from our scripts, durations of phases, errors.
_TOLD = ("overlayflow:", "***** ", "ERROR", "CRITICAL WARNING: [Timing")


@dataclass(frozen=True)
class Limits:
    """Times after which a tool is stopped, in seconds.

    Attributes:
        synthesize_s: for one run of Vivado HLS.
        implement_s: for one run of Vivado.
        stall_s: without output from the tool or its runs; C synthesis is silent for hours if much
            is unrolled.
    """

    synthesize_s: float = 24 * 3600.0
    implement_s: float = 24 * 3600.0
    stall_s: float = 4 * 3600.0


@dataclass(frozen=True)
class Step:
    """A step of a build.

    Attributes:
        entry: store entry to make.
        tool: name of the tool.
        program: path of the tool.
        version: of the tool.
        environment: added to this process's own.
        project: directory in which the tool runs.
        out: directory for the logs.
        deadline_s: for one run.
        stall_s: longest time without output.
        facts: settings and versions, for the bundle of a failure.
        runs: of the tool that ended by themselves, in order.
    """

    entry: Entry
    tool: ToolName
    program: Path
    version: str
    environment: Mapping[str, str]
    project: Path
    out: Path
    deadline_s: float
    stall_s: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    runs: list[ToolRun] = field(default_factory=list)

    def run(
        self,
        arguments: list[str | Path],
        number: int,
        on_line: Callable[[str], None] | None = None,
        on_poll: Callable[[], bool] | None = None,
    ) -> ToolRun:
        """Run the tool until it ends or is stopped.

        Args:
            arguments: of the command line.
            number: of the attempt; each has a separate log.
            on_line: is called with each line of output.
            on_poll: is called twice a second; returns whether the tool has made progress.

        Raises:
            ToolTimeoutError: it was stopped.
        """
        for old in self.crash_reports():
            old.unlink()
        suffix = "" if number == 1 else f".{number}"
        log = self.out / f"{self.tool}{suffix}.log"
        try:
            run = supervise(
                self.tool,
                [self.program, *arguments],
                cwd=self.project,
                log=log,
                step=self.entry.step,
                deadline_s=self.deadline_s,
                stall_s=self.stall_s,
                env=self.environment,
                on_line=on_line,
                on_poll=on_poll,
            )
        finally:  # their output may contain their whole environment
            with contextlib.suppress(FileNotFoundError):
                redact_file(log)
        self.runs.append(run)
        return run

    def tell(self, line: str) -> None:
        """Log a line of the tool's output, without secrets, if it is worth showing."""
        if line.startswith(_TOLD):
            _log.info("%s: %s", self.tool, redact(line))

    def crash_reports(self) -> list[Path]:
        """Return the crash reports of the tool and of runs that it started."""
        runs = self.project.glob("*/*.runs/*/hs_err_pid*.log")
        return [*self.project.glob("hs_err_pid*.log"), *runs]

    def attempt(
        self, jobs: int, patience: Patience, licence: LicenceContext, attempt: Attempt
    ) -> None:
        """Make attempts until one succeeds; a failure leaves a bundle.

        Raises:
            ToolError: of the last attempt.
        """
        attempts = Attempts(jobs=jobs, patience=patience, licence=licence)
        try:
            attempts.run(attempt)
        except ToolError as error:
            kept = self._bundle(error)
            if isinstance(error, BuildError):
                error.bundle = kept
            raise

    def collected(self, collect: Callable[[], _R]) -> _R:
        """Collect a build's files; if that fails, leave a bundle.

        Raises:
            OverlayflowError: raised by `collect`.
        """
        try:
            return collect()
        except OverlayflowError as error:
            self._bundle(error)
            raise

    def _bundle(self, error: OverlayflowError) -> Path | None:
        try:
            kept = bundle.write(
                settings.failures(),
                entry=self.entry,
                project=self.project,
                error=error,
                facts={"tool": self.tool, "version": self.version, **self.facts},
            )
        except OSError as problem:  # a full disk, say: the failure itself matters more
            _log.warning("no bundle of the failure could be kept: %s", problem)
            return None
        _log.info("logs, reports and settings of the failure are in %s", kept)
        return kept


_SHELL = 128  # a shell adds it to the number of the signal that ended a command


def judge(
    run: ToolRun,
    step: Step,
    *,
    unfinished: Sequence[str],
    logs: Sequence[Path] = (),
    otherwise: FailureClass = "permanent",
) -> BuildError | None:
    """Return the error of a run; None if it succeeded.

    Args:
        run: that has ended.
        step: of the run.
        unfinished: work that was not done, judged by files and markers.
        logs: of failed runs that it started, in order of failure; they say more than its own log.
        otherwise: class of an unknown failure.
    """
    proven = diagnosis.fatal(run.log, step=step.entry.step, tool=step.tool)
    if run.returncode == 0 and not unfinished and not proven:
        return None
    found = _diagnose(run, step, logs)
    cause = [found.cause, found.line] if found else first_errors(run.log)
    told = failure(
        step.tool, run, cwd=step.project, step=step.entry.step, cause=[*unfinished, *cause]
    )
    return BuildError(
        told.what,
        tool=step.tool,
        version=step.version,
        failure_class=found.failure_class if found else otherwise,
        where=step.entry.step,
        remedy=(found.remedy if found else told.remedy) or "see the log, and what was kept",
        signature=found.signature if found else "",
        returncode=run.returncode,
        log=run.log,
    )


def _diagnose(run: ToolRun, step: Step, logs: Sequence[Path]) -> Diagnosis | None:
    """Diagnose a run by its logs; if a signal ended the tool, by its own log first.

    Crash reports come before the tool's own log, which only says that it crashed.
    """
    own: tuple[Log, int | None] = (run.log, run.returncode)
    if reports := step.crash_reports():
        own = (itertools.chain.from_iterable(map(_lines, (*reports, run.log))), run.returncode)
    others: list[tuple[Log, int | None]] = [(log, None) for log in logs]
    ended = run.returncode < 0 or run.returncode > _SHELL
    for log, returncode in (own, *others) if ended else (*others, own):
        found = diagnosis.diagnose(log, step=step.entry.step, tool=step.tool, returncode=returncode)
        if found is not None:
            return found
    return None


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()
