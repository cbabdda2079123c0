"""Reads the parts common to Vivado's text reports: header, sections, and tables of + and |."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import InputError

_STATE = re.compile(r"^\| Design State +: +(.+?) *$", re.MULTILINE)
# The header ends before this; later lines that look like it belong to the report's body.
_HEADER_LENGTH = 4096
_RULE = re.compile(r"\+(?:-+\+)+")
_COUNT = re.compile(r"\d+")
_DECIMAL = re.compile(r"[<>]?(-?\d+(?:\.\d+)?)(?:\s.*)?")


@dataclass(frozen=True)
class Table:
    """A table: the cells of each row, without padding on the right.

    Attributes:
        header: of the columns, if a rule follows the first row; otherwise empty.
        rows: below the header.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_text(path: Path) -> str:
    """Return the text of a report.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"this report cannot be read: {(error.strerror or str(error)).lower()}",
            where=str(path),
            remedy="run the step that writes it",
        ) from None


def lacking(path: Path, what: str) -> InputError:
    """Return the error for a report in which something is missing or not a number."""
    return InputError(
        f"this report has no {what}",
        where=str(path),
        remedy="check in the tool's log whether the report was completely written; if it was, "
        "overlayflow does not know its layout",
    )


def read_state(text: str, path: Path) -> str:
    """Return the state of the design, e.g. `Synthesized` or `Fully Placed`.

    Raises:
        InputError: the report's header does not state it.
    """
    if (found := _STATE.search(text[:_HEADER_LENGTH])) is None:
        raise lacking(path, "header line 'Design State'")
    return found[1]


def tables(text: str) -> Iterator[Table]:
    """Yield the complete tables of a report, skipping one that is truncated.

    Cells are split at the crosses of the rule, so that names may contain bars.
    """
    rule = ""
    groups: list[list[tuple[str, ...]]] = []
    for line in [*map(str.rstrip, text.split("\n")), ""]:
        if rule and line == rule:
            groups.append([])
        elif rule and (cells := _cells(line, rule)):
            groups[-1].append(cells)
        else:
            if _is_whole(groups, line):
                yield _table(groups[:-1])
            rule, groups = (line, [[]]) if _RULE.fullmatch(line) else ("", [])


def _cells(line: str, rule: str) -> tuple[str, ...]:
    borders = [column for column, character in enumerate(rule) if character == "+"]
    if len(line) != len(rule) or any(line[column] != "|" for column in borders):
        return ()
    return tuple(line[left + 2 : right].rstrip() for left, right in itertools.pairwise(borders))


def _is_whole(groups: list[list[tuple[str, ...]]], after: str) -> bool:
    """Return whether a table is complete, where `after` is the line below it.

    It ends with a rule. Without rows, this is the rule below its header, and a blank line follows.
    """
    rows = groups[:-1]
    if not rows or groups[-1]:
        return False
    return len(rows) > 1 or len(rows[0]) > 1 or not after


def _table(groups: list[list[tuple[str, ...]]]) -> Table:
    header = groups[0][0] if len(groups[0]) == 1 else ()
    body = groups[1:] if header else groups
    return Table(
        header=tuple(cell.strip() for cell in header),
        rows=tuple(row for group in body for row in group),
    )


def count(cell: str) -> int | None:
    """Return a cell's count, or None if it has none (`NA`, `-`, nothing)."""
    return int(cell) if _COUNT.fullmatch(cell := cell.strip()) else None


def decimal(cell: str) -> float | None:
    """Return a cell's figure, or the bound of `<0.001`, or None if it has none."""
    match = _DECIMAL.fullmatch(cell.strip())
    return float(match[1]) if match else None
