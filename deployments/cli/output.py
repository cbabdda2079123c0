"""Output of commands: tables for people, one JSON record for programs."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def add_json(parser: ArgumentParser) -> None:
    """Add the option --json, which is the same for every command."""
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON record on stdout; everything else goes to stderr",
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


def print_json(record: "BaseModel | dict[str, object]") -> None:
    """Print a record, or the fields that make one, on one line."""
    from pydantic_core import to_json

    versioned = {"schema_version": 1, **record} if isinstance(record, dict) else record
    print(to_json(versioned, inf_nan_mode="null").decode())


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout; cells wrap rather than being cut off."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(soft_wrap=not sys.stdout.isatty())
    console.print(table)
