"""The hardware handoff (.hwh): what pynq reads about a design's clocks, addresses and registers.

It describes the block design that hls4ml builds: an AXI DMA `hier_0/axi_dma_0` and the accelerator
`hier_0/<project>_axi_0` between the processing system's control port and its memory port.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

from tasks.errors import InputError, UnsupportedModelError
from tasks.toolchains.hdl.part import parse_part

_HERE = Path(__file__).resolve().parent
_RANGE = 0x1_0000
_HIGHEST_DIVISOR = 63
# All settings of the two dividers, those of fast clocks first.
_DIVISORS = sorted(
    ((d0, d1) for d0 in range(1, _HIGHEST_DIVISOR + 1) for d1 in range(1, d0 + 1)),
    key=lambda pair: (pair[0] * pair[1], pair[0]),
)
# A clock that differs by less is the one that was asked for, as the gates have it by default.
_SAME_CLOCK = 0.01


@dataclass(frozen=True)
class _System:
    """What differs between processing systems.

    Attributes:
        arch: as a .hwh names it.
        instance: of the processing system.
        source_mhz: the IO PLL as boards run it: 50 MHz x 20, 33.333 MHz x 45.
        highest_mhz: that the fabric's clock output can drive.
        dma_base: address of the DMA's registers.
        accelerator_base: address of the accelerator's registers.
        reset_port: its reset output for the fabric.
        memory_port: the port that the DMA reads and writes memory through.
        memory_block: the memory's name there.
        memory_high: its last address.
    """

    arch: str
    instance: str
    source_mhz: float
    highest_mhz: float
    dma_base: int
    accelerator_base: int
    reset_port: str
    memory_port: str
    memory_block: str
    memory_high: int


_SYSTEMS = {
    "zynq7000": _System(
        arch="zynq",
        instance="processing_system7_0",
        source_mhz=1000.0,
        highest_mhz=250.0,
        dma_base=0x4040_0000,
        accelerator_base=0x43C0_0000,
        reset_port="FCLK_RESET0_N",
        memory_port="S_AXI_HP0",
        memory_block="HP0_DDR_LOWOCM",
        memory_high=0x1FFF_FFFF,
    ),
    "zynqmp": _System(
        arch="zynquplus",
        instance="zynq_ultra_ps_e_0",
        source_mhz=1499.985,
        highest_mhz=333.333,
        dma_base=0xA000_0000,
        accelerator_base=0xA001_0000,
        reset_port="pl_resetn0",
        memory_port="S_AXI_HP0_FPD",
        memory_block="HP0_DDR_LOW",
        memory_high=0x7FFF_FFFF,
    ),
}


@dataclass(frozen=True)
class Clock:
    """A clock that the processing system makes for the fabric.

    Attributes:
        asked_mhz: what was asked for.
        mhz: what it is.
        divisor0: first divider of the IO PLL, 1 to 63.
        divisor1: second divider, 1 to 63.
    """

    asked_mhz: float
    mhz: float
    divisor0: int
    divisor1: int


@dataclass(frozen=True)
class Register:
    """A 32-bit register, as pynq's register maps show it."""

    name: str
    offset: int
    access: Literal["read-only", "read-write", "write-only"]
    description: str


COUNTERS = (
    Register("ID", 0x00, "read-only", "OFLW"),
    Register("VERSION", 0x04, "read-only", "Version of this register map"),
    Register("CONTROL", 0x08, "write-only", "Write 1 to clear all counters"),
    Register("SAMPLES", 0x10, "read-only", "Samples whose last word was accepted"),
    Register("IN_WAITS", 0x14, "read-only", "Clocks in which an input word had to wait"),
    Register("OUT_WAITS", 0x18, "read-only", "Clocks in which an output word had to wait"),
    Register("FIRST_OUT_LOW", 0x20, "read-only", "Clocks from first word in to first word out"),
    Register("FIRST_OUT_HIGH", 0x24, "read-only", "Upper half of it"),
    Register("LAST_OUT_LOW", 0x28, "read-only", "Clocks from first word in to latest word out"),
    Register("LAST_OUT_HIGH", 0x2C, "read-only", "Upper half of it"),
)
_DMA = (
    Register("MM2S_DMACR", 0x00, "read-write", "Control of the channel from memory"),
    Register("MM2S_DMASR", 0x04, "read-write", "Status of the channel from memory"),
    Register("MM2S_SA", 0x18, "read-write", "Source address"),
    Register("MM2S_SA_MSB", 0x1C, "read-write", "Upper half of the source address"),
    Register("MM2S_LENGTH", 0x28, "read-write", "Bytes to read; starts the transfer"),
    Register("S2MM_DMACR", 0x30, "read-write", "Control of the channel to memory"),
    Register("S2MM_DMASR", 0x34, "read-write", "Status of the channel to memory"),
    Register("S2MM_DA", 0x48, "read-write", "Destination address"),
    Register("S2MM_DA_MSB", 0x4C, "read-write", "Upper half of the destination address"),
    Register("S2MM_LENGTH", 0x58, "read-write", "Bytes to write at most; starts the transfer"),
)


def fabric_clock(system: str, asked_mhz: float) -> Clock:
    """The fastest clock, not above the one asked for, that the dividers can make.

    Raises:
        UnsupportedModelError: no such processing system.
        InputError: no divider comes near that clock.
    """
    properties = _properties(system)
    lowest_mhz = properties.source_mhz / _HIGHEST_DIVISOR**2
    if not lowest_mhz <= asked_mhz <= properties.highest_mhz:
        raise InputError(
            f"{asked_mhz:g} MHz is not between {lowest_mhz:.2f} and {properties.highest_mhz:g}",
            where="clock of the fabric",
            remedy="choose another clock period",
        )
    # What oscillators may be off: less is the same clock (zcu102: 99.99 MHz asked, 99.999 made).
    allowed_mhz = asked_mhz * (1 + 100e-6)
    d0, d1 = next(
        (d0, d1) for d0, d1 in _DIVISORS if properties.source_mhz / (d0 * d1) <= allowed_mhz
    )
    return Clock(asked_mhz, round(properties.source_mhz / (d0 * d1), 6), d0, d1)


def check_clock(system: str, period_ns: float) -> None:
    """Refuse a clock that the dividers cannot make, or not nearly; other systems take any.

    Raises:
        InputError: with the nearest periods that they can make.
    """
    if system not in _SYSTEMS:
        return
    asked_mhz = 1000 / period_ns
    below = fabric_clock(system, asked_mhz)
    if below.mhz >= asked_mhz * (1 - _SAME_CLOCK):
        return
    properties = _SYSTEMS[system]
    made = (properties.source_mhz / (d0 * d1) for d0, d1 in _DIVISORS)
    faster = [mhz for mhz in made if asked_mhz < mhz <= properties.highest_mhz]
    near = (*faster[-1:], below.mhz)
    raise InputError(
        f"the processing system divides {properties.source_mhz:g} MHz by whole numbers, which "
        f"does not give {asked_mhz:g} MHz",
        where="clock_period_ns",
        remedy="choose " + " or ".join(f"{1000 / mhz:g} ns ({mhz:g} MHz)" for mhz in near),
    )


def write_handoff(out: Path, *, project_name: str, part: str, system: str, clock: Clock) -> Path:
    """Write the .hwh of a design.

    Args:
        out: the file.
        project_name: a C identifier.
        part: the full part name.
        system: the board's processing system, `zynq7000` or `zynqmp`.
        clock: of the fabric.

    Raises:
        UnsupportedModelError: no such processing system.
    """
    name, properties = parse_part(part), _properties(system)
    values: dict[str, object] = {
        "project": project_name,
        "arch": properties.arch,
        "device": name.device,
        "package": name.package,
        "speed_grade": name.speed_grade,
        "ps": properties.instance,
        "reset_port": properties.reset_port,
        "memory_port": properties.memory_port,
        "memory_block": properties.memory_block,
        "memory_high": _address(properties.memory_high),
        "dma_base": _address(properties.dma_base),
        "dma_high": _address(properties.dma_base + _RANGE - 1),
        "accelerator_base": _address(properties.accelerator_base),
        "accelerator_high": _address(properties.accelerator_base + _RANGE - 1),
        "source_mhz": f"{properties.source_mhz:.3f}",
        "asked_mhz": f"{clock.asked_mhz:.6f}",
        "clock_mhz": f"{clock.mhz:.6f}",
        "frequency_hz": round(clock.mhz * 1e6),
        "divisor0": clock.divisor0,
        "divisor1": clock.divisor1,
        "dma_registers": _registers(_DMA),
        "counter_registers": _registers(COUNTERS),
    }
    values["processing_system"] = _fill(f"handoff_{system}.xml", values).rstrip("\n")
    out.write_text(_fill("handoff.xml", values), encoding="utf-8")
    return out


def _properties(system: str) -> _System:
    if system in _SYSTEMS:
        return _SYSTEMS[system]
    raise UnsupportedModelError(
        f"no block design for processing system {system!r}",
        where="hardware handoff",
        remedy=f"choose a board with {' or '.join(_SYSTEMS)}",
    )


def _fill(template: str, values: dict[str, object]) -> str:
    return Template((_HERE / template).read_text(encoding="utf-8")).substitute(values)


def _registers(registers: Iterable[Register]) -> str:
    template = (_HERE / "handoff_register.xml").read_text(encoding="utf-8")
    return "".join(
        Template(template).substitute(
            name=register.name,
            description=register.description,
            offset=f"0x{register.offset:X}",
            access=register.access,
        )
        for register in registers
    ).rstrip("\n")


def _address(value: int) -> str:
    return f"0x{value:08X}"
