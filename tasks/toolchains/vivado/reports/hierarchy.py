"""report_utilization -hierarchical: what each instance of a design takes."""

from collections.abc import Mapping
from pathlib import Path

from tasks.core.records.base import Record
from tasks.core.records.design import Resources
from tasks.toolchains.vivado.reports.text import (
    ReportHeader,
    count,
    lacking,
    read_header,
    read_text,
    tables,
)

_INDENT = 2
_DSP_COLUMNS = ("DSP48 Blocks", "DSP Blocks", "DSPs")
# With -hierarchical_percentages a cell is `19879(37.37%)`.
_PERCENTAGE = "("


class Instance(Record):
    """One instance, with all below it.

    Attributes:
        path: the names from the top down, joined by `/`.
        module: whose instance it is; `(top)` for the top.
        depth: 0 for the top.
        used: by it and everything below it.
    """

    path: str
    module: str
    depth: int
    used: Resources


class HierarchyReport(Record):
    """What each instance takes, in the report's order: parents before their children."""

    header: ReportHeader
    instances: tuple[Instance, ...]


def read_hierarchy(path: Path) -> HierarchyReport:
    """Read what report_utilization -hierarchical wrote; hls4ml's design.tcl asks for util.rpt.

    Rows for the logic that stands in an instance itself (their name is in brackets) are left out.

    Raises:
        InputError: the report, its table, or a figure in it is missing.
    """
    text = read_text(path)
    for table in tables(text):
        if table.header[:2] == ("Instance", "Module") and table.rows:
            rows = [dict(zip(table.header, row, strict=True)) for row in table.rows]
            return HierarchyReport(header=read_header(text, path), instances=_instances(rows, path))
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
        instances.append(
            Instance(
                path="/".join(above),
                module=row["Module"].strip(),
                depth=depth,
                used=_resources(row, path),
            )
        )
    return tuple(instances)


def _resources(row: Mapping[str, str], path: Path) -> Resources:
    return Resources(
        lut=_count(row, ("Total LUTs",), path),
        ff=_count(row, ("FFs",), path),
        dsp=_count(row, _DSP_COLUMNS, path),
        bram_36k=_count(row, ("RAMB36",), path) + _count(row, ("RAMB18",), path) / 2,
        uram=_count(row, ("URAM",), path) if "URAM" in row else 0,
    )


def _count(row: Mapping[str, str], columns: tuple[str, ...], path: Path) -> int:
    for column in columns:
        if column in row and (value := count(row[column].split(_PERCENTAGE)[0])) is not None:
            return value
    raise lacking(path, f"figure for {columns[0]!r} of instance {row['Instance'].strip()!r}")
