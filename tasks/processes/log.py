"""A tool's log: its lines as they are written, and the error lines after a failure."""

import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

DISK_FULL = re.compile(r"(?i)no space left on device|disk quota exceeded")
NO_MEMORY = re.compile(
    r"(?i)\bout of memory\b|cannot allocate memory|\bbad_alloc\b|\bMemoryError\b"
    r"|signal terminated program|(?-i:\bKilled\b)"
)

_ERROR = re.compile(
    r"(?i)\b(errors?|fatal|exception|panic|abort(ed)?|killed|cannot|undefined reference"
    r"|command not found|no such file)\b|\b\w+(error|exception)\b"
)
_NO_ERROR = re.compile(
    r"(?i)\b(0|no) (fatal |critical )?errors?\b|\berrors?\s*[:=]\s*0\b|-W\S*error"
)
_EXCEPTION = re.compile(
    r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Failure)\b.*", re.MULTILINE
)
_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 16
_QUOTED_LINES = 5
_QUOTED_LENGTH = 300


class LogLines:
    """The lines of a log that is still being written.

    Args:
        log: an existing file.
        on_line: called with each non-blank line, without its end; invalid UTF-8 is replaced.
    """

    def __init__(self, log: Path, on_line: Callable[[str], None] | None) -> None:
        self._file = log.open("rb")
        self._on_line = on_line
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self) -> int:
        """Pass on what is new, about 1 MiB at most, and return the number of bytes read."""
        chunk = self._file.read(_CHUNK)
        *lines, self._rest = re.split(rb"[\r\n]+", self._rest + chunk)
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        self._hand_on(lines)
        return len(chunk)

    def finish(self) -> None:
        """Pass on everything that is left, once nothing writes to the log."""
        while self.read():
            pass
        self._hand_on([self._rest])

    def _hand_on(self, lines: list[bytes]) -> None:
        if self._on_line is not None:
            for line in lines:
                if line.strip():
                    self._on_line(line.decode(errors="replace"))


def first_errors(log: Path) -> list[str]:
    """Return the first error lines of a log, or its last lines if none looks like an error.

    The first line that reports a full disk or a lack of memory is always included.
    """
    errors: list[str] = []
    last: deque[str] = deque(maxlen=_QUOTED_LINES)
    telling = [DISK_FULL, NO_MEMORY]
    with log.open(errors="replace") as lines:
        for line in filter(str.strip, lines):
            quote = line.strip()[:_QUOTED_LENGTH]
            last.append(quote)
            told = [pattern for pattern in telling if pattern.search(line)]
            telling = [pattern for pattern in telling if pattern not in told]
            is_error = _ERROR.search(line) and not _NO_ERROR.search(line)
            if told or (is_error and len(errors) < _QUOTED_LINES):
                errors.append(quote)
    return errors or list(last)


def last_exception(log: Path) -> list[str]:
    """Return the last line of the traceback at the end of a log, or else its `first_errors`."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LONGEST_LINE))
        tail = file.read().decode(errors="replace")
    found = list(_EXCEPTION.finditer(tail))
    return [found[-1].group()[:_QUOTED_LENGTH]] if found else first_errors(log)
