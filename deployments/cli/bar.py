"""A progress bar on the last line of a terminal, with log lines scrolling above it."""

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from tasks.toolchains.base import Progress

_ERASE = "\r\x1b[2K"
_WIDTH = 24
_TICK_S = 1.0


class Bar:
    """A stream that shows the progress of the current step below everything written to it.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._step = ""
        self._news: Progress | None = None
        self._heard = 0.0
        self._is_drawn = False

    def show(self, step: str, news: "Progress") -> None:
        """Show the progress of a step; a finished step has no bar."""
        with self._lock:
            self._erase()
            self._step, self._heard = step, time.monotonic()
            self._news = news if news.fraction < 1 else None
            self._draw()

    def tick(self) -> None:
        """Redraw the bar with the current times."""
        with self._lock:
            if self._is_drawn:
                self._erase()
                self._draw()

    def clear(self) -> None:
        """Remove the bar."""
        with self._lock:
            self._erase()
            self._news = None

    def write(self, text: str) -> int:
        """Write text above the bar."""
        with self._lock:
            self._erase()
            written = self._stream.write(text)
            if text.endswith("\n"):
                self._draw()
            return written

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the stream."""
        return getattr(self._stream, name)

    def _erase(self) -> None:
        if self._is_drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._is_drawn = False

    def _draw(self) -> None:
        if self._news is not None:
            columns = shutil.get_terminal_size().columns
            line = _line(self._step, self._news, time.monotonic() - self._heard)
            self._stream.write(line[: columns - 1])
            self._stream.flush()
            self._is_drawn = True


@contextlib.contextmanager
def shown(*, quiet: bool = False) -> Iterator[Bar | None]:
    """Yield a bar if stderr is a terminal; all output to stderr then appears above it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    bar, ended = Bar(sys.stderr), threading.Event()

    def tick() -> None:
        while not ended.wait(_TICK_S):
            bar.tick()

    ticker = threading.Thread(target=tick, name="bar", daemon=True)
    ticker.start()
    try:
        # Prefect's console keeps the stream that it finds when it is imported.
        with contextlib.redirect_stderr(cast("TextIO", bar)):
            yield bar
    finally:
        ended.set()
        ticker.join()
        bar.clear()


def _line(step: str, news: "Progress", since_s: float) -> str:
    """Return the bar as text.

    Args:
        step: the current step.
        news: the latest progress report.
        since_s: seconds since that report.
    """
    from tasks.toolchains.base import times

    full = round(_WIDTH * news.fraction)
    drawn = "=" * full + " " * (_WIDTH - full)
    left_s = None if news.left_s is None else news.left_s - since_s
    taken = times(news.elapsed_s + since_s, left_s)
    return f"{step} [{drawn}] {news.fraction:4.0%} {taken}  {news.phase}"
