"""Reads kinds.toml, the board kinds that overlayflow knows. Runs on the host (Python 3.11)."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

ProcessingSystem = Literal["zynq7000", "zynqmp", "x86"]


@dataclass(frozen=True)
class PartResources:
    """A part's primitives; `carry4` is 0 on parts with CARRY8."""

    lut: int
    ff: int
    dsp: int
    bram_36k: int
    carry4: int


@dataclass(frozen=True)
class BoardKind:
    """One kind of board.

    Attributes:
        name: key in kinds.toml; hls4ml's name for the board if it has one.
        part: full part name, as in Vivado.
        processing_system: the processor that runs Python: zynq7000, zynqmp or x86.
        pynq: pynq versions that run on the board, oldest first.
        fabric_clock_mhz: clock of the fabric in hls4ml's design.
        environment_file: shell file on the board that sets up pynq's environment.
        xrt: value of XILINX_XRT on the board.
        vivado_board: the board's name in Vivado, without a version; empty if it has none.
        vivado_since: first version of Vivado that has the part and the board.
        resources: of the part.
        hls4ml_board: the board's name in hls4ml; empty if hls4ml has no design for it.
        no_hls4ml: why hls4ml_board is empty.
    """

    name: str
    part: str
    processing_system: ProcessingSystem
    pynq: tuple[str, ...]
    fabric_clock_mhz: float
    environment_file: str
    xrt: str
    resources: PartResources
    vivado_board: str = ""
    vivado_since: str = "2019.1"
    hls4ml_board: str = ""
    no_hls4ml: str = ""


@cache
def board_kinds() -> dict[str, BoardKind]:
    """Return all board kinds by name, in the order of kinds.toml."""
    text = Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8")
    return {name: _kind(name, table) for name, table in tomllib.loads(text).items()}


def _kind(name: str, table: dict[str, Any]) -> BoardKind:
    resources = PartResources(**table.pop("resources"))
    pynq = tuple(table.pop("pynq"))
    return BoardKind(name=name, resources=resources, pynq=pynq, **table)
