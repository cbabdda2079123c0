"""Output of commands: tables for people, one JSON record for programs."""

import re
import sys
import webbrowser
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.errors import OverlayflowError

if TYPE_CHECKING:
    from pydantic import BaseModel

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PREFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
# How a cell that begins with one of these words looks on a terminal.
_STYLES = {
    "passed": "green",
    "ok": "green",
    "done": "green",
    "failed (warning)": "yellow",
    "optional": "yellow",
    "not checked": "dim",
    "failed": "bold red",
    "FAILED": "bold red",
    "MISSING": "bold red",
}
_CELL_GAP = 3
# A cell that no narrow table breaks, such as a date or a figure with its unit.
SHORT = 11


def add_output(parser: ArgumentParser) -> None:
    """Add the options --json, --quiet and --verbose, which are the same for every command."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "--json",
        action="store_true",
        help="print one JSON record on stdout, of an error as well; everything else goes to stderr",
    )
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument(
        "-q", "--quiet", action="store_true", help="no progress and no log but warnings"
    )
    loudness.add_argument(
        "-v", "--verbose", action="store_true", help="a log with details, to find a fault"
    )


def duration(text: str, longest_d: float = 30) -> float:
    """Convert a duration such as 90s, 30m, 2h, 1d or 2w to seconds."""
    try:
        seconds = float(text[:-1]) * _UNITS_S[text[-1:]]
    except (ValueError, KeyError):
        seconds = -1.0
    if not 0 <= seconds <= longest_d * _UNITS_S["d"]:
        raise ArgumentTypeError(
            f"{text!r} is not a duration; use 90s, 30m, 2h, 1d or 2w, at most {longest_d:g}d"
        )
    return seconds


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a type of arguments: whole numbers in a range."""

    def number(text: str) -> int:
        if not text.isdecimal() or len(text) > len(str(high)) or not low <= int(text) <= high:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return number


def size(text: str) -> int:
    """Convert a size such as 500MB or 10GB to bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMGT]?)B?", text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not a size; use 500MB or 10GB")
    return int(float(match[1]) * _PREFIXES[match[2]])


def print_json(record: "BaseModel | dict[str, object]") -> None:
    """Print a record, or the fields that make one, on one line."""
    from pydantic_core import to_json

    versioned = {"schema_version": 1, **record} if isinstance(record, dict) else record
    print(to_json(versioned, inf_nan_mode="null").decode())


def show_page(path: Path, *, no_open: bool) -> None:
    """Print the path of a page, and open it in the browser if called from a terminal."""
    print(path)
    if sys.stdout.isatty() and not no_open:
        webbrowser.open(path.absolute().as_uri())


def print_error(error: OverlayflowError) -> None:
    """Print an error as the record of a command that has no other."""
    fields = {name: getattr(error, name) for name in ("what", "where", "remedy", "transient")}
    kind = {"type": type(error).__name__, "exit_code": error.exit_code}
    print_json({"error": {**kind, **fields}})


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, narrow: bool = False
) -> None:
    """Print a table on stdout: cells wrap on a terminal, and have the width they need in a pipe.

    Args:
        title: stands above it; may be empty.
        columns: their names.
        rows: the cells of each row.
        narrow: draw no lines between columns, which leaves their room to the cells.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        box=None if narrow else box.HEAVY_HEAD,
        padding=(0, 2, 0, 0) if narrow else (0, 1),
        pad_edge=not narrow,
    )
    for number, column in enumerate(columns):
        longest = max((len(row[number]) for row in rows), default=0)
        table.add_column(Text(column), overflow="fold", no_wrap=narrow and longest <= SHORT)
    for row in rows:
        table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    width = None
    if not sys.stdout.isatty():
        widths = (max(map(len, cells)) for cells in zip(columns, *rows, strict=True))
        width = max(len(title), sum(each + _CELL_GAP for each in widths) + 1)
    Console(width=width).print(table)


def _style(cell: str) -> str:
    return next((style for word, style in _STYLES.items() if cell.startswith(word)), "")
