"""Output in which names and messages of others cannot give a terminal commands."""

import re
import sys
from typing import Any, TextIO, cast

# Colours, and the progress bar's erasing of its line, are ours. All other control characters, and
# those that reverse the direction of text, come from elsewhere.
_CONTROL = re.compile(
    r"(?P<ours>\x1b\[[0-9;]*m|\r\x1b\[2K|\r?\n|\t)"
    r"|[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


class Printable:
    """A stream that shows control characters as escapes.

    Args:
        stream: where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text; return how many characters of it."""
        self._stream.write(_CONTROL.sub(_shown, text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the stream."""
        return getattr(self._stream, name)


def install() -> None:
    """Make output printable: also where the terminal lacks a character, rather than fail."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, Printable) or stream is None:
            continue
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
        setattr(sys, name, cast("TextIO", Printable(stream)))


def _shown(found: re.Match[str]) -> str:
    return found["ours"] or found[0].encode("unicode_escape").decode("ascii")
