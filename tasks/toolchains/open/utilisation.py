"""Counts the primitives that a design uses, with Yosys."""

import gzip
import logging
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tasks.core.errors import ToolError
from tasks.core.records.design import Resources, Utilisation
from tasks.processes.child import run_child
from tasks.toolchains.open import yosys
from tasks.toolchains.shell.shell import Design

STEP = "utilisation"
# Before each of Yosys's stages in our own log.
SAID = "yosys: "

logger = logging.getLogger(__name__)

# LUTs that a cell takes. Memory and shift registers are made of LUTs, too. An inverter mostly
# disappears into a neighbour; it is counted, so that the sum is never too small.
_LUTS = {
    **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
    "INV": 1,
    **dict.fromkeys(("SRL16E", "SRLC16E", "SRLC32E", "RAM32X1S", "RAM64X1S"), 1),
    **dict.fromkeys(("RAM32X1D", "RAM64X1D", "RAM128X1S"), 2),
    **dict.fromkeys(("RAM128X1D", "RAM256X1S", "RAM32M", "RAM64M"), 4),
    **dict.fromkeys(("RAM256X1D", "RAM512X1S", "RAM32M16", "RAM64M8"), 8),
}
_FLIP_FLOPS = frozenset(("FDRE", "FDSE", "FDCE", "FDPE", "LDCE", "LDPE"))
_DSPS = frozenset(("DSP48E1", "DSP48E2"))
_BLOCK_RAMS = {"RAMB18E1": 0.5, "RAMB18E2": 0.5, "RAMB36E1": 1.0, "RAMB36E2": 1.0}
# Part of the slices, and not what runs out.
_FREE = frozenset(("CARRY4", "CARRY8", "MUXF7", "MUXF8", "MUXF9", "$scopeinfo"))


def utilisation(
    design: Design,
    available: Resources,
    *,
    part: str,
    modules: tuple[str, ...] = (),
    core: str = "",
    units: int = 0,
    logs: Path,
    deadline_s: float = 3600,
) -> Utilisation:
    """Count the primitives of a design's core and shell.

    DMA, interconnects and reset, which Vivado adds, are not counted. On the other hand, every LUT
    counts as one, although Vivado packs pairs of small ones into one.

    Args:
        design: to count.
        available: on the part.
        part: full part name.
        modules: submodules to count separately, for `by_module`.
        core: the submodule to count unit by unit, for `by_layer`; empty for none.
        units: number of its units.
        logs: an existing directory for yosys.log.gz, or yosys.log if Yosys fails.
        deadline_s: Yosys takes a minute for 20,000 LUTs, and disproportionately more beyond.

    Raises:
        ToolError: Yosys failed, or used an unknown primitive.
        ToolTimeoutError: it was stopped at its deadline.
    """
    family = "xc7" if part.startswith("xc7") else "xcup"
    log = logs / "yosys.log"
    found = run_child(
        "tasks.toolchains.open.yosys",
        yosys.CountRequest(
            files=design.files,
            top=design.top,
            modules=modules,
            family=family,
            core=core,
            units=units,
        ),
        yosys.CellCounts,
        cwd=logs,
        log=log,
        step=STEP,
        deadline_s=deadline_s,
        on_line=_report_stage,
    )
    counts = found.modules
    _compress(log)
    used, *by_layer = (
        # UltraScale+ has CARRY8 instead, which Yosys does not use.
        each if family == "xc7" else each.model_copy(update={"carry4": 0})
        for each in map(resources, (sum(map(Counter, counts.values()), Counter()), *found.units))
    )
    luts = {name: resources(cells).lut for name, cells in counts.items() if name != design.top}
    return Utilisation(
        stage="synthesised",
        used=used,
        available=available,
        by_layer=tuple(by_layer),
        by_module=dict(sorted(luts.items(), key=lambda item: -item[1])),
        # Yosys times the cells of UltraScale+ with the delays of the 7 series.
        logic_delay_ns=found.longest_path_ps / 1000 if family == "xc7" else None,
    )


def resources(cells: Mapping[str, int]) -> Resources:
    """Add up primitives.

    Args:
        cells: number of cells by type.

    Raises:
        ToolError: a type is unknown.
    """
    unknown = cells.keys() - _LUTS.keys() - _FLIP_FLOPS - _DSPS - _BLOCK_RAMS.keys() - _FREE
    if unknown:
        raise ToolError(
            f"Yosys used primitives that are not counted: {', '.join(sorted(unknown))}",
            where=STEP,
            remedy="report it: the table of primitives lacks them",
        )
    return Resources(
        lut=sum(_LUTS.get(cell, 0) * n for cell, n in cells.items()),
        ff=sum(n for cell, n in cells.items() if cell in _FLIP_FLOPS),
        dsp=sum(n for cell, n in cells.items() if cell in _DSPS),
        bram_36k=sum(_BLOCK_RAMS.get(cell, 0.0) * n for cell, n in cells.items()),
        carry4=cells.get("CARRY4", 0),
    )


def _compress(log: Path) -> None:
    """Compress Yosys's log, megabytes of repetition, to a tenth."""
    with log.open("rb") as text, gzip.open(f"{log}.gz", "wb") as compressed:
        shutil.copyfileobj(text, compressed)
    log.unlink()


def _report_stage(line: str) -> None:
    if line.startswith(yosys.STAGE):
        logger.info("%s%s", SAID, line.removeprefix(yosys.STAGE).strip())
