"""What commands print: tables for people on stderr or stdout, one JSON record for programs."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel


def add_json(parser: ArgumentParser) -> None:
    """The option --json, the same for every command."""
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON record on stdout; everything else goes to stderr",
    )


def print_json(record: "BaseModel") -> None:
    """One record, on one line."""
    print(record.model_dump_json())


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; columns fold rather than cut figures off."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(soft_wrap=not sys.stdout.isatty())
    console.print(table)
