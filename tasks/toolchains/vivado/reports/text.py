"""What Vivado's text reports have in common: a header, sections, and tables drawn with + and |."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import InputError

_STATE = re.compile(r"^\| Design State +: +(.+?) *$", re.MULTILINE)
# The header ends long before this; a later line that looks like it belongs to the report's body.
_HEADER_LENGTH = 4096
_RULE = re.compile(r"\+(?:-+\+)+")
_COUNT = re.compile(r"\d+")
_DECIMAL = re.compile(r"[<>]?(-?\d+(?:\.\d+)?)(?:\s.*)?")


@dataclass(frozen=True)
class Table:
    """One table: the cells of each row, without the space that pads them on the right.

    Attributes:
        header: of the columns, when a rule stands below the first row; empty otherwise.
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
    """Return the error for a report in which something is missing or no number."""
    return InputError(
        f"this report has no {what}",
        where=str(path),
        remedy="see in the tool's log whether the report was written to its end; if it was, "
        "its layout is one that overlayflow does not know",
    )


def read_state(text: str, path: Path) -> str:
    """Return the state of the design, e.g. `Synthesized` or `Fully Placed`.

    Raises:
        InputError: the report's header does not name it.
    """
    if (found := _STATE.search(text[:_HEADER_LENGTH])) is None:
        raise lacking(path, "header line 'Design State'")
    return found[1]


def tables(text: str) -> Iterator[Table]:
    """Yield the tables of a report; one that is cut off before its last rule is none.

    Cells are cut where the rule has its crosses, so that names may contain bars.
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
    """Return whether a table was drawn to its end, `after` being the line below it.

    It ends with a rule. Without rows that is the rule below its header, and a blank line follows.
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
    """Return a cell's count, or None where it holds none (`NA`, `-`, nothing)."""
    return int(cell) if _COUNT.fullmatch(cell := cell.strip()) else None


def decimal(cell: str) -> float | None:
    """Return a cell's figure, or None where it holds none; of a bound (`<0.001`) the bound."""
    match = _DECIMAL.fullmatch(cell.strip())
    return float(match[1]) if match else None
