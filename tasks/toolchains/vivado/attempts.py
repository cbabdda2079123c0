"""Runs of a tool until it has done its work, or until another try makes no sense."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.errors import BuildError
from tasks.toolchains.toolchain import Gate

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
    licence: Gate
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
