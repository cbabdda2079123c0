"""A bar at the last line of a terminal: where a build is, while log lines pass above it."""

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
    """Shows the progress of one step after the other on a terminal.

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
        """Take news of a step; a step that is done has no bar any more."""
        with self._lock:
            self._erase()
            self._step, self._heard = step, time.monotonic()
            self._news = news if news.fraction < 1 else None
            self._draw()

    def tick(self) -> None:
        """Let the times go on."""
        with self._lock:
            if self._is_drawn:
                self._erase()
                self._draw()

    def clear(self) -> None:
        """Take the bar away."""
        with self._lock:
            self._erase()
            self._news = None

    def write(self, text: str) -> int:
        """Write what others have to say above the bar."""
        with self._lock:
            self._erase()
            written = self._stream.write(text)
            if text.endswith("\n"):
                self._draw()
            return written

    def __getattr__(self, name: str) -> Any:
        """All else that a stream can do."""
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
def shown() -> Iterator[Bar | None]:
    """Yield a bar, if stderr is a terminal; what is written to stderr meanwhile goes above it."""
    if not sys.stderr.isatty():
        yield None
        return
    bar, ended = Bar(sys.stderr), threading.Event()

    def tick() -> None:
        while not ended.wait(_TICK_S):
            bar.tick()

    ticker = threading.Thread(target=tick, name="bar", daemon=True)
    ticker.start()
    try:
        # Prefect's console keeps the stream that is there when it is imported.
        with contextlib.redirect_stderr(cast("TextIO", bar)):
            yield bar
    finally:
        ended.set()
        ticker.join()
        bar.clear()


def _line(step: str, news: "Progress", since_s: float) -> str:
    """The bar as text.

    Args:
        step: that is under way.
        news: the latest.
        since_s: seconds since then.
    """
    from tasks.toolchains.base import times

    full = round(_WIDTH * news.fraction)
    drawn = "=" * full + " " * (_WIDTH - full)
    left_s = None if news.left_s is None else news.left_s - since_s
    taken = times(news.elapsed_s + since_s, left_s)
    return f"{step} [{drawn}] {news.fraction:4.0%} {taken}  {news.phase}"
