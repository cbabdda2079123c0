"""report_utilization: vivado_synth.rpt, *_utilization_synth.rpt, *_utilization_placed.rpt."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

from tasks.core.errors import InputError
from tasks.core.records.base import Record
from tasks.core.records.design import Resources, Utilisation
from tasks.toolchains.vivado.reports.text import (
    ReportHeader,
    count,
    decimal,
    lacking,
    read_header,
    read_text,
    tables,
)

_LUTS = ("Slice LUTs", "CLB LUTs")  # series 7; UltraScale and later
_FLIP_FLOPS = ("Slice Registers", "CLB Registers")
_BLOCK_RAM = ("Block RAM Tile",)  # of 36 Kbit
_DSPS = ("DSPs",)
_ULTRA_RAM = ("URAM",)
# A slice of series 7 has four LUTs and one CARRY4.
_LUTS_PER_CARRY4 = 4

_Sites = Mapping[str, tuple[str, str]]
_Number = TypeVar("_Number", int, float)


class UtilisationReport(Record):
    """What a design takes of its part, as Vivado counts it.

    Attributes:
        utilisation: of the whole design; `by_module` is empty, see `read_hierarchy`.
    """

    header: ReportHeader
    utilisation: Utilisation


def read_utilisation(path: Path) -> UtilisationReport:
    """Read what report_utilization wrote, after synthesis or after placement.

    Raises:
        InputError: the report, or a figure in it, is missing.
    """
    text = read_text(path)
    header = read_header(text, path)
    sites = _rows(text, "Site Type", path)
    used, available = (_resources(sites, column, path) for column in (0, 1))
    if _LUTS[0] in sites:
        used = used.model_copy(update={"carry4": _carry4(text, path)})
        available = available.model_copy(update={"carry4": available.lut // _LUTS_PER_CARRY4})
    return UtilisationReport(
        header=header,
        utilisation=Utilisation(stage=_stage(header, path), used=used, available=available),
    )


def read_vivado_synth(path: Path) -> UtilisationReport:
    """Read vivado_synth.rpt, which hls4ml's build_prj.tcl asks for.

    Raises:
        InputError: the report, or a figure in it, is missing, or it is not one after synthesis.
    """
    report = read_utilisation(path)
    if report.utilisation.stage != "synthesised":
        raise InputError(
            f"this report is of a design in state {report.header.state!r}, not 'Synthesized'",
            where=str(path),
            remedy="read it as the report of a placed design",
        )
    return report


def _rows(text: str, title: str, path: Path) -> dict[str, tuple[str, str]]:
    """Return the cells Used and Available (or empty) by name, of all tables with that title."""
    drawn = [table for table in tables(text) if table.header[:1] == (title,)]
    if not drawn:
        raise lacking(path, f"table of {title!r}")
    found: dict[str, tuple[str, str]] = {}
    for table in drawn:
        for cells in (dict(zip(table.header, row, strict=True)) for row in table.rows):
            # An asterisk refers to a footnote.
            name = cells[title].strip().rstrip("*")
            found.setdefault(name, (cells.get("Used", ""), cells.get("Available", "")))
    return found


def _carry4(text: str, path: Path) -> int:
    primitives = _rows(text, "Ref Name", path)
    used, _ = primitives.get("CARRY4", ("0", ""))
    if (value := count(used)) is None:
        raise lacking(path, "figure for 'CARRY4'")
    return value


def _resources(sites: _Sites, column: int, path: Path) -> Resources:
    cells = {name: cells[column] for name, cells in sites.items()}
    return Resources(
        lut=_figure(cells, _LUTS, count, path),
        ff=_figure(cells, _FLIP_FLOPS, count, path),
        dsp=_figure(cells, _DSPS, count, path),
        bram_36k=_figure(cells, _BLOCK_RAM, decimal, path),
        # Only parts that have some have the row.
        uram=_figure(cells, _ULTRA_RAM, count, path) if _ULTRA_RAM[0] in cells else 0,
    )


def _figure(
    cells: Mapping[str, str],
    names: tuple[str, ...],
    read: Callable[[str], _Number | None],
    path: Path,
) -> _Number:
    """Return the figure of the one row that the part's family has."""
    for name in names:
        if name in cells and (value := read(cells[name])) is not None:
            return value
    raise lacking(path, f"figure for {' or '.join(map(repr, names))}")


def _stage(header: ReportHeader, path: Path) -> Literal["synthesised", "placed"]:
    if header.state in ("Synthesized", "Optimized"):
        return "synthesised"
    if header.state in ("Fully Placed", "Physopt postPlace", "Routed", "Fully Routed"):
        return "placed"
    raise lacking(path, f"known design state: {header.state!r}")
