"""How a run on the board takes its end: as an exception, so that no transfer is left under way.

A controller starts the runner over SSH, under guard.py, and holds its stdin open. When the
connection breaks, stdin ends, and so does the run. What does not end by itself, the guard ends.
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
_AGAIN_S = 0.01


class RunError(Exception):
    """The run cannot go on.

    Attributes:
        kind: a word for programs.
        what: what went wrong, one sentence.
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
    """Somebody or something ended the run; like KeyboardInterrupt, no error of the program.

    Attributes:
        error: why.
    """

    def __init__(self, error: RunError) -> None:
        super().__init__(error.what)
        self.error = error


class Events:
    """JSON lines on stdout, one event a line; what libraries print goes to stderr."""

    def __init__(self) -> None:
        self._fd = os.dup(1)
        os.dup2(2, 1)

    def emit(self, event: str, **fields: Any) -> None:
        """Write one event; one that nobody can receive any more is lost."""
        with contextlib.suppress(BrokenPipeError):  # the end of stdin is what ends the run
            os.write(self._fd, json.dumps({"event": event, **fields}).encode() + b"\n")

    def progress(self, phase: str, done: int, of: int) -> None:
        """Say how far a phase is."""
        self.emit("progress", phase=phase, done=done, of=of)


class Supervision:
    """Ends the run, by raising Stopped in the main thread, on a signal or a lost controller."""

    def __init__(self, deadline_s: float | None) -> None:
        """Start watching.

        Args:
            deadline_s: seconds that the whole run may take.
        """
        self._abandoned = False
        self._aborted: RunError | None = None
        self._stopped: Stopped | None = None
        self._raised = False
        self._finishing = False
        sys.unraisablehook = self._on_unraisable
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, self._on_signal)
        if deadline_s is not None:
            signal.setitimer(signal.ITIMER_REAL, deadline_s)
        threading.Thread(target=self._watch_stdin, daemon=True).start()

    def finish(self) -> None:
        """From here on nothing interrupts: results are being written, or the board tidied."""
        self._finishing = True

    def abort(self, error: RunError) -> None:
        """End the run for another reason; from any thread."""
        self._aborted = error
        os.kill(os.getpid(), signal.SIGTERM)

    def _watch_stdin(self) -> None:
        # os.read, as a reader blocked in sys.stdin would hold its lock when the program ends.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        self._abandoned = True
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os._exit(ABANDONED)  # the main thread is stuck where no signal reaches it

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._finishing or self._raised:
            return
        self._stopped = self._stopped or Stopped(self._reason(number))
        self._raised = True
        raise self._stopped

    def _on_unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        # Python drops what is raised in a destructor, as of one of pynq's buffers: raise it again,
        # but not from here, where it would be dropped too.
        if isinstance(unraisable.exc_value, Stopped):
            self._raised = False
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        else:
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
    """Write a file that is never seen half-written."""
    aside = path.with_name(path.name + ".part")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
