"""What a build takes of a machine, by the family of its part."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as resources
from pathlib import Path

from board.kinds import BoardKind
from tasks.errors import InputError
from tasks.toolchains.vivado.machine import Machine

_BOARD_PART = re.compile(r"^\s*set_property\s+board_part\s+(\S+)", re.MULTILINE)
# Parts that the editions of Vivado without a licence build for.
_FREE = re.compile(r"xc7z0(07s|10|12s|14s|15|20|30)|xczu[1-57](cg|eg|ev)")
_MOST_JOBS = 8


@dataclass(frozen=True)
class Needs:
    """Memory and disk of a build, in GiB.

    Attributes:
        memory_gib: below this a build of hls4ml's smallest example does not come through.
        job_gib: what one of several parallel runs takes.
        disk_gib: of a build directory, with room for reports and checkpoints.
    """

    memory_gib: float
    job_gib: float
    disk_gib: float


# Vivado HLS took 5.2 GB and the implementation 3.5 GB for hls4ml's jet tagger on a xc7z020.
_NEEDS = {"zynq7000": Needs(6.0, 2.5, 2.0), "zynqmp": Needs(12.0, 5.0, 6.0)}


def is_buildable(kind: BoardKind) -> bool:
    """Whether this toolchain builds for a kind of board."""
    return kind.processing_system in _NEEDS and bool(kind.hls4ml_board)


def needs(kind: BoardKind) -> Needs:
    """What a build for a kind of board takes.

    Raises:
        InputError: this toolchain does not build for it.
    """
    if not is_buildable(kind):
        raise InputError(
            f"toolchain vivado makes no overlay for {kind.name}: {_reason(kind)}",
            where="board_kind",
            remedy="take pynq-z2 or zcu102, or use toolchain open; or build a block design of your "
            "own around hls4ml's IP, with hier_0/axi_dma_0, and make a package of it: see "
            "docs/add-a-board.md",
        )
    return _NEEDS[kind.processing_system]


def _reason(kind: BoardKind) -> str:
    return kind.no_hls4ml or "hls4ml builds an XRT kernel for it, not a bitstream with a DMA"


def jobs(kind: BoardKind, machine: Machine) -> int:
    """Runs that Vivado may do at the same time."""
    by_memory = int(machine.memory_gib // needs(kind).job_gib)
    return max(1, min(machine.cores, by_memory, _MOST_JOBS))


def licensed(part: str) -> bool:
    """Whether Vivado asks for a paid licence for the part."""
    return not _FREE.match(part)


@cache
def stock_design(kind: BoardKind) -> str:
    """hls4ml's own design.tcl for a kind of board."""
    templates = resources("hls4ml") / "templates" / "vivado_accelerator" / kind.hls4ml_board
    script = Path(str(templates)) / "tcl_scripts" / "axi_stream_design.tcl"
    return script.read_text(encoding="utf-8")


def board_part(kind: BoardKind) -> str:
    """The board's name in Vivado, as hls4ml's design.tcl has it."""
    found = _BOARD_PART.search(stock_design(kind))
    if found is None:
        raise InputError(f"hls4ml's design for {kind.name} names no board", where="board_kind")
    return found[1]
