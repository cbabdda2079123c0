"""Finds in a tool's log why it failed: the first real cause, the remedy, whether to retry.

The last lines of a log are mostly summaries, good runs print ERROR lines, too, and some failures
print none. signatures.toml says what the lines mean.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import cast

from tasks.core.records.base import Record
from tasks.processes.redaction import redact
from tasks.toolchains.vivado.sessions import Session
from tasks.toolchains.vivado.signatures import (
    Ending,
    FailureClass,
    Signature,
    Tool,
    catalogue,
)

__all__ = ["Diagnosis", "diagnose", "fatal"]

Log = Path | Iterable[str]

_QUOTED_LENGTH = 400
_SIGNAL = 128  # a shell adds it to the number of the signal that ended a command


class Diagnosis(Record):
    """Why a tool failed.

    Attributes:
        signature: id of the entry in signatures.toml.
        line: of the log, without secrets, shortened; the last one if the log names no cause.
        line_number: from 1; 0 if the log is empty.
    """

    signature: str
    cause: str
    remedy: str
    failure_class: FailureClass
    line: str
    line_number: int


def diagnose(log: Log, *, step: str, tool: Tool, returncode: int | None) -> Diagnosis | None:
    """Return why a tool failed, or None if its log does not say.

    In this order: the first line that names a cause, an exit status that names one (a signal), the
    first line that names what failed or is an unknown error, the first line that proves a failure,
    a log that stops in the middle. Only the last session of an appended log counts.

    Args:
        log: the file, or the lines.
        step: of the build, as in signatures.toml.
        tool: whose log it is.
        returncode: of the tool, negative or above 128 for a signal; None if unknown.
    """
    session = Session(_text(log))
    failures = _failures(session, catalogue().in_scope(tool, step))
    for index, signature in failures:
        if signature.rank in ("cause", "suspect"):
            return _diagnosis(session, signature, index)
    if returncode and (ending := _ending(returncode)):
        return _diagnosis(session, ending, session.last_line)
    for ranks in (("effect", "unknown"), ("marker",)):
        for index, signature in failures:
            if signature.rank in ranks:
                return _diagnosis(session, signature, index)
    if returncode != 0 and session.is_truncated:
        [ending] = [ending for ending in catalogue().endings if ending.truncated]
        return _diagnosis(session, ending, session.last_line)
    return None


def fatal(log: Log, *, step: str = "", tool: Tool | None = None) -> bool:
    """Return whether a log proves that its tool failed, whatever the exit status.

    Unknown errors, and those that good runs may print too, prove nothing.

    Args:
        log: as for `diagnose`.
        step: as for `diagnose`.
        tool: as for `diagnose`; None for the entries of every tool.
    """
    failures = _failures(Session(_text(log)), catalogue().in_scope(tool, step))
    return any(signature.proves for _, signature in failures)


def _failures(session: Session, signatures: Sequence[Signature]) -> list[tuple[int, Signature]]:
    """Return the lines that report a failure, in order, each with the first entry for it."""
    kept = [index for index, line in enumerate(session.lines) if not catalogue().ignores(line)]
    lines = [catalogue().normalised(session.lines[index]) for index in kept]
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    text = "\n".join(lines)
    known: dict[int, Signature] = {}
    for signature in signatures:
        for match in signature.pattern.finditer(text):
            known.setdefault(kept[bisect_right(starts, match.start()) - 1], signature)
    return [(index, known[index]) for index in sorted(known) if known[index].fails]


def _diagnosis(session: Session, entry: Signature | Ending, index: int) -> Diagnosis:
    """Return what an entry says of a line of a session; -1 is the line of an empty log."""
    return Diagnosis(
        signature=entry.id,
        cause=entry.cause,
        remedy=entry.remedy,
        failure_class=cast("FailureClass", entry.kind),  # harmless ones were left out
        line=redact(session.lines[index].strip())[:_QUOTED_LENGTH],
        line_number=session.first_line + index,
    )


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
