"""Ends a run on the board by an exception, so that no transfer is left running.

A controller starts the runner over SSH, under guard.py, and holds its stdin open. When the
connection breaks, stdin ends and the run ends with it. guard.py ends what does not end by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

FAILED, BUSY, WRONG_TARGET, BAD_PACKAGE = 1, 3, 4, 5
NO_BOARD, ABANDONED, DEADLINE, STALE = 6, 7, 8, 9
GRACE_S = 4.0
_AGAIN_S = 0.1


class RunError(Exception):
    """The run cannot go on.

    Attributes:
        kind: machine-readable word.
        what: what went wrong, in one sentence.
        remedy: what to do about it.
        code: exit status.
    """

    def __init__(self, kind: str, what: str, remedy: str, code: int = FAILED) -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.remedy = remedy
        self.code = code


class Stopped(BaseException):
    """The run was ended from outside; like KeyboardInterrupt, not an error of the program.

    Attributes:
        error: why.
    """

    def __init__(self, error: RunError) -> None:
        super().__init__(error.what)
        self.error = error


class Events:
    """Writes events as JSON lines to stdout; what libraries print goes to stderr instead."""

    def __init__(self) -> None:
        self._fd = os.dup(1)
        os.dup2(2, 1)

    def emit(self, event: str, **fields: Any) -> None:
        """Write one event; drop it if nobody reads stdout any more."""
        with contextlib.suppress(BrokenPipeError):  # the end of stdin is what ends the run
            os.write(self._fd, json.dumps({"event": event, **fields}).encode() + b"\n")

    def progress(self, phase: str, done: int, of: int) -> None:
        """Report the progress of a phase."""
        self.emit("progress", phase=phase, done=done, of=of)


class Supervision:
    """Raises Stopped in the main thread on a signal or a lost controller."""

    def __init__(self, deadline_s: float | None) -> None:
        """Start watching.

        Args:
            deadline_s: most seconds for the whole run.
        """
        self._abandoned = False
        self._aborted: RunError | None = None
        self._stopped: Stopped | None = None
        self._finishing = False
        sys.unraisablehook = self._on_unraisable
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, self._on_signal)
        if deadline_s is not None:
            signal.setitimer(signal.ITIMER_REAL, deadline_s)
        threading.Thread(target=self._watch_stdin, daemon=True).start()

    def finish(self) -> None:
        """Ignore interruptions from here on, while results are written or the board cleaned up."""
        self._finishing = True
        signal.setitimer(signal.ITIMER_REAL, 0)

    def raise_if_stopped(self) -> None:
        """Raise Stopped if the run was ended, but a library made another exception of that."""
        if self._stopped is not None:
            raise self._stopped

    def abort(self, error: RunError) -> None:
        """End the run for another reason, from any thread."""
        self._aborted = error
        os.kill(os.getpid(), signal.SIGTERM)

    def _watch_stdin(self) -> None:
        # os.read, because a thread blocked in sys.stdin would hold its lock at exit.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        self._abandoned = True
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os._exit(ABANDONED)  # the main thread is stuck where no signal reaches it

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._finishing:
            return
        self._stopped = self._stopped or Stopped(self._reason(number))
        # Python drops an exception raised in a destructor, for example of a pynq buffer, and C code
        # clears some: numpy's fromfile does. So raise it until it has arrived, but not while an
        # exception is handled, so that cleaning up is not cut short.
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)
        if sys.exc_info()[1] is None:
            raise self._stopped

    @staticmethod
    def _on_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, Stopped):  # which comes again
            sys.__unraisablehook__(unraisable)

    def _reason(self, number: int) -> RunError:
        if self._aborted is not None:
            return self._aborted
        if self._abandoned:
            what = "the controller is gone: stdin has ended"
            return RunError("abandoned", what, "keep stdin open while it runs", ABANDONED)
        if number == signal.SIGALRM:
            return RunError("deadline", "the run took too long", "allow it more time", DEADLINE)
        name = signal.Signals(number).name
        return RunError("terminated", f"ended by {name}", "start the run again", 128 + number)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file by renaming a temporary one into place."""
    aside = path.with_name(path.name + ".part")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
