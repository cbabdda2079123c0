"""Reads report_utilization: vivado_synth.rpt, *_utilization_synth.rpt, *_utilization_placed.rpt."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

from tasks.core.records.design import Resources, Utilisation
from tasks.toolchains.vivado.reports.text import (
    count,
    decimal,
    lacking,
    read_state,
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


def read_utilisation(path: Path) -> Utilisation:
    """Read a utilisation report, written after synthesis or after placement.

    `by_module` is empty; see `read_hierarchy`.

    Raises:
        InputError: the report, or a figure in it, is missing.
    """
    text = read_text(path)
    sites = _rows(text, "Site Type", path)
    used, available = (_resources(sites, column, path) for column in (0, 1))
    if _LUTS[0] in sites:
        used = used.model_copy(update={"carry4": _carry4(text, path)})
        available = available.model_copy(update={"carry4": available.lut // _LUTS_PER_CARRY4})
    return Utilisation(stage=_stage(read_state(text, path), path), used=used, available=available)


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
        # Only parts that have any have the row.
        uram=_figure(cells, _ULTRA_RAM, count, path) if _ULTRA_RAM[0] in cells else 0,
    )


def _figure(
    cells: Mapping[str, str],
    names: tuple[str, ...],
    read: Callable[[str], _Number | None],
    path: Path,
) -> _Number:
    """Return the figure of the row that the part's family has."""
    for name in names:
        if name in cells and (value := read(cells[name])) is not None:
            return value
    raise lacking(path, f"figure for {' or '.join(map(repr, names))}")


def _stage(state: str, path: Path) -> Literal["synthesised", "placed"]:
    if state in ("Synthesized", "Optimized"):
        return "synthesised"
    if state in ("Fully Placed", "Physopt postPlace", "Routed", "Fully Routed"):
        return "placed"
    raise lacking(path, f"known design state: {state!r}")
