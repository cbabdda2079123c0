"""Tells from a log why a tool failed: the first real cause, what to do, and whether to try again.

The last lines of a log are mostly summaries, good runs print ERROR lines, too, and some failures
print none. What the lines mean is data: signatures.toml.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import cast

from tasks.core.records.base import Record
from tasks.processes.redaction import redact
from tasks.toolchains.vivado.signatures import (
    UNRECOGNISED,
    Ending,
    FailureClass,
    Signature,
    Tool,
    catalogue,
)

__all__ = ["Diagnosis", "diagnose", "fatal", "redact"]

Log = Path | Iterable[str]

_QUOTED_LENGTH = 400
# Messages of this kind are most of a log, and none tells of a failure.
_INFORMATION = "INFO: ["
# What a log that is appended to begins each session with: a run's runme.log, or a vivado.log
# under -applog. A log that does not begin so is one session, whatever nested tools print in it.
_SESSION = re.compile(r"\s*(\*\*\* Running \w+\b|#-+\n# Vivado v)")
# By their banner, the tools whose logs end with a line that only a killed tool leaves out.
_CLOSINGS = (
    (r"\s*(?:\*\*\* Running vivado|#-+\n# Vivado v|\*{6} Vivado v)", "Exiting Vivado at"),
    (r"\s*\*{6} Vivado\(TM\) HLS", "Exiting vivado_hls at"),
    (r"\s*\*{6} Vitis HLS", r"Exiting vitis_hls at|\[HLS 200-112\] Total"),
)
_CLOSING_CHARACTERS = 2000
_SIGNAL = 128  # a shell adds it to the number of the signal that ended a command


class Diagnosis(Record):
    """Why a tool failed.

    Attributes:
        signature: id of the entry in signatures.toml.
        line: of the log, without secrets, shortened; the last one where a run ended without a word.
        line_number: from 1; 0 where the log is empty.
    """

    signature: str
    cause: str
    remedy: str
    failure_class: FailureClass
    line: str
    line_number: int


class _Session:
    """The last session of a log."""

    def __init__(self, log: Log) -> None:
        text = _text(log)
        appended = _SESSION.match(text)
        start = text.rfind(f"\n{appended[1]}") + 1 if appended else 0
        self._first_line = text.count("\n", 0, start) + 1
        self._text = text[start:]
        self._lines = self._text.split("\n")

    def failures(self, signatures: Sequence[Signature]) -> list[tuple[int, Signature]]:
        """Return the lines that tell of a failure, in order, each with the first entry for it."""
        kept = [
            index for index, line in enumerate(self._lines) if not line.startswith(_INFORMATION)
        ]
        text = "\n".join(self._lines[index] for index in kept)
        starts = list(accumulate((len(self._lines[index]) + 1 for index in kept), initial=0))
        known: dict[int, Signature] = {}
        for signature in signatures:
            for match in signature.pattern.finditer(text):
                known.setdefault(kept[bisect_right(starts, match.start()) - 1], signature)
        return [(index, known[index]) for index in sorted(known) if known[index].fails]

    @property
    def last_line(self) -> int:
        """The index of the last line that is not blank."""
        return max((index for index, line in enumerate(self._lines) if line.strip()), default=-1)

    @property
    def is_truncated(self) -> bool:
        """Whether a tool that closes its logs did not close this one."""
        return any(
            re.match(banner, self._text)
            and not re.search(closing, self._text[-_CLOSING_CHARACTERS:])
            for banner, closing in _CLOSINGS
        )

    def diagnosis(self, entry: Signature | Ending, index: int) -> Diagnosis:
        """Return what an entry says of a line; -1 is the line of an empty log."""
        return Diagnosis(
            signature=entry.id,
            cause=entry.cause,
            remedy=entry.remedy,
            failure_class=cast("FailureClass", entry.kind),  # harmless ones were left out
            line=redact(self._lines[index].strip())[:_QUOTED_LENGTH],
            line_number=self._first_line + index,
        )


def diagnose(log: Log, *, step: str, tool: Tool, returncode: int | None) -> Diagnosis | None:
    """Return why a tool failed, or None where its log does not tell.

    In this order: the first line that names a cause, an exit status that does (a signal), the
    first line that proves a failure, a log that stops in the middle. Of an appended log only the
    last session counts.

    Args:
        log: the file, or the lines.
        step: of the build, as in signatures.toml.
        tool: whose log it is.
        returncode: of the tool, negative or above 128 for a signal; None where it is not known.
    """
    session = _Session(log)
    failures = session.failures(catalogue().in_scope(tool, step))
    for index, signature in failures:
        if not signature.marker:
            return session.diagnosis(signature, index)
    if returncode and (ending := _ending(returncode)):
        return session.diagnosis(ending, session.last_line)
    for index, signature in failures:
        return session.diagnosis(signature, index)
    if returncode != 0 and session.is_truncated:
        [ending] = [ending for ending in catalogue().endings if ending.truncated]
        return session.diagnosis(ending, session.last_line)
    return None


def fatal(log: Log, *, step: str = "", tool: Tool | None = None) -> bool:
    """Return whether a log proves that its tool failed, whatever the exit status says.

    Errors that the catalogue does not know prove nothing: good runs have some.

    Args:
        log: as for `diagnose`.
        step: as for `diagnose`.
        tool: as for `diagnose`; None for the entries of every tool.
    """
    failures = _Session(log).failures(catalogue().in_scope(tool, step))
    return any(signature.id != UNRECOGNISED for _, signature in failures)


def _text(log: Log) -> str:
    if isinstance(log, Path):
        return log.read_text(encoding="utf-8", errors="replace")
    return "\n".join(line.rstrip("\r\n") for line in log)


def _ending(returncode: int) -> Ending | None:
    status = _SIGNAL - returncode if returncode < 0 else returncode
    for ending in catalogue().endings:
        if status in ending.returncodes:
            return ending
    return None
