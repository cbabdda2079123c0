"""Reads report_utilization -hierarchical: the utilisation of each instance."""

from pathlib import Path

from tasks.core.records.base import Record
from tasks.toolchains.vivado.reports.text import count, lacking, read_text, tables

_INDENT = 2
_LUTS = "Total LUTs"
# With -hierarchical_percentages a cell is `19879(37.37%)`.
_PERCENTAGE = "("


class Instance(Record):
    """One instance, with all below it.

    Attributes:
        path: names from the top down, joined by `/`.
        depth: 0 for the top.
        lut: LUTs, including all instances below.
    """

    path: str
    depth: int
    lut: int


def read_hierarchy(path: Path) -> tuple[Instance, ...]:
    """Return all instances in the report's order, parents before their children.

    Rows for an instance's own logic, whose names are in brackets, are left out.

    Raises:
        InputError: the report, its table, or a figure in it is missing.
    """
    for table in tables(read_text(path)):
        if table.header[:2] == ("Instance", "Module") and table.rows:
            rows = [dict(zip(table.header, row, strict=True)) for row in table.rows]
            return _instances(rows, path)
    raise lacking(path, "table of instances")


def _instances(rows: list[dict[str, str]], path: Path) -> tuple[Instance, ...]:
    instances = []
    above: list[str] = []
    for row in rows:
        cell = row["Instance"]
        name = cell.strip()
        if name.startswith("("):
            continue
        depth = (len(cell) - len(cell.lstrip())) // _INDENT
        above = [*above[:depth], name]
        lut = count(row.get(_LUTS, "").split(_PERCENTAGE)[0])
        if lut is None:
            raise lacking(path, f"figure for {_LUTS!r} of instance {name!r}")
        instances.append(Instance(path="/".join(above), depth=depth, lut=lut))
    return tuple(instances)
