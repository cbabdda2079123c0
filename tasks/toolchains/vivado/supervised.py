"""One step of a build: its tries, its progress, and what it leaves when it fails."""

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
# Prefect delivers a cancellation between two sleeps.
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
        licence_first_s: first pause when all licences are taken; each further one is twice as
            long, within a factor that is drawn by lot, so that waiters do not come all at once.
        licence_longest_s: the longest pause.
        licence_s: all pauses for a licence together.
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
    """Counts the tries of one step, and decides about the next.

    Args:
        jobs: that the tool may run at the same time.
        patience: with failures that another try may cure.
        licence: held while the tool runs, and only then.
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
            attempt: gets the number of the try, from 1, and the number of jobs.

        Raises:
            BuildError: of the last try.
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
        """Seconds to the next try; None for none."""
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
    """Whether it was for want of a licence that may be free later."""
    return error.failure_class == "transient" and error.signature.startswith("licence-")


def is_disk(error: BuildError) -> bool:
    """Whether a disk was full, which fewer jobs do not change."""
    return error.signature.startswith("disk-")


_R = TypeVar("_R", bound=Record)
# Beginnings of the lines that people should see: of the scripts, what phases took, errors.
_TOLD = ("overlayflow:", "***** ", "ERROR", "CRITICAL WARNING: [Timing")


@dataclass(frozen=True)
class Limits:
    """When a tool is stopped, in seconds.

    Attributes:
        synthesize_s: for one run of Vivado HLS.
        implement_s: for one run of Vivado.
        stall_s: without a line of output, of the tool or its runs; C synthesis is silent for hours
            where much is unrolled.
    """

    synthesize_s: float = 24 * 3600.0
    implement_s: float = 24 * 3600.0
    stall_s: float = 4 * 3600.0


@dataclass(frozen=True)
class Step:
    """A step of a build.

    Attributes:
        entry: that it makes.
        tool: name of the tool.
        program: path of the tool.
        version: of the tool.
        environment: laid over this process's own.
        project: directory in which the tool runs.
        out: gets the logs.
        deadline_s: for one run.
        stall_s: without a line of output.
        facts: settings and versions, for the bundle of a failure.
        runs: of the tool that have ended by themselves, in their order.
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
        """Run the tool to its end, whatever that is.

        Args:
            arguments: of the command line.
            number: of the try; each has a log of its own.
            on_line: gets each line of output.
            on_poll: is called twice a second; returns whether the tool shows life.

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
        finally:  # what they print may be their whole environment
            with contextlib.suppress(FileNotFoundError):
                redact_file(log)
        self.runs.append(run)
        return run

    def tell(self, line: str) -> None:
        """Log a line of the tool's output, if it is one for people; without secrets."""
        if line.startswith(_TOLD):
            _log.info("%s: %s", self.tool, redact(line))

    def crash_reports(self) -> list[Path]:
        """What the tool, or a run that it started, wrote when it crashed."""
        runs = self.project.glob("*/*.runs/*/hs_err_pid*.log")
        return [*self.project.glob("hs_err_pid*.log"), *runs]

    def attempt(
        self, jobs: int, patience: Patience, licence: LicenceContext, attempt: Attempt
    ) -> None:
        """Make attempts until one succeeds; a failure leaves a bundle.

        Raises:
            ToolError: of the last try.
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
        """What `collect` makes of the files of a build; a report that says too little fails it.

        Raises:
            OverlayflowError: what `collect` raised; it leaves a bundle.
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
    """The error of a run; None if it did its work.

    Args:
        run: that has ended.
        step: whose it was.
        unfinished: what it should have done and did not, by files and markers.
        logs: of runs that it started and that failed, in the order in which they did; they tell
            more than its own log.
        otherwise: the class of a failure that nobody knows.
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
    """The cause by the logs; where the tool itself was ended by a signal, by its own log first.

    What it wrote when it crashed stands before its own log, which says only that it crashed.
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
