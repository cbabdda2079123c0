"""One step of a build: its tries, its progress, and what it leaves when it fails."""

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tasks import settings
from tasks.errors import BuildError, OverlayflowError, ToolError
from tasks.records import Entry, Record
from tasks.toolchains.process import ToolRun, supervise
from tasks.toolchains.redaction import redact, redact_file
from tasks.toolchains.toolchain import Gate
from tasks.toolchains.vivado import bundle
from tasks.toolchains.vivado.attempts import Attempt, Attempts, Patience
from tasks.toolchains.vivado.installation import ToolName

_log = logging.getLogger(__name__)
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
        runs = self.project.glob("*_vivado_accelerator/*.runs/*/hs_err_pid*.log")
        return [*self.project.glob("hs_err_pid*.log"), *runs]

    def attempt(self, jobs: int, patience: Patience, licence: Gate, attempt: Attempt) -> None:
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
