"""Reads kinds.toml: the board kinds that overlayflow knows, as data. Host side (Python 3.11)."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

ProcessingSystem = Literal["zynq7000", "zynqmp", "x86"]


@dataclass(frozen=True)
class PartResources:
    """Primitives that a part has; `carry4` is 0 on parts with CARRY8."""

    lut: int
    ff: int
    dsp: int
    bram_36k: int
    carry4: int


@dataclass(frozen=True)
class BoardKind:
    """One kind of board.

    Attributes:
        name: the key in kinds.toml; hls4ml's own name where hls4ml knows the board.
        part: the full part name, as Vivado writes it.
        processing_system: what runs Python.
        pynq: pynq versions that run on the board, oldest first.
        fabric_clock_mhz: the fabric's clock in hls4ml's design.
        environment_file: shell file on the board that sets up pynq's environment.
        xrt: what XILINX_XRT is set to on the board.
        vivado_board: its name in Vivado, without a version; empty where Vivado has none for it.
        vivado_since: the first version of Vivado that has the part and the board.
        resources: of the part.
        hls4ml_board: the board's name in hls4ml; empty if hls4ml has no design for it.
        no_hls4ml: why it is empty.
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
    """All board kinds by name, in the order of kinds.toml."""
    text = Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8")
    return {name: _kind(name, table) for name, table in tomllib.loads(text).items()}


def _kind(name: str, table: dict[str, Any]) -> BoardKind:
    resources = PartResources(**table.pop("resources"))
    pynq = tuple(table.pop("pynq"))
    return BoardKind(name=name, resources=resources, pynq=pynq, **table)
