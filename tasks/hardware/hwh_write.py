"""Write hardware handoffs (.hwh), from which pynq learns clocks, addresses and registers.

It describes the block design that hls4ml builds: an AXI DMA `hier_0/axi_dma_0` and the accelerator
`hier_0/<project>_axi_0` between the processing system's control port and its memory port.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Literal

from tasks.hardware.clocks import Clock, processing_system
from tasks.hardware.part import parse_part

_HERE = Path(__file__).resolve().parent


_RANGE = 0x1_0000


@dataclass(frozen=True)
class Register:
    """A 32-bit register as shown in pynq's register maps."""

    name: str
    offset: int
    access: Literal["read-only", "read-write", "write-only"]
    description: str


COUNTERS = (
    Register("ID", 0x00, "read-only", "OFLW"),
    Register("VERSION", 0x04, "read-only", "Version of this register map"),
    Register("CONTROL", 0x08, "write-only", "Write 1 to clear all counters"),
    Register("SAMPLES", 0x10, "read-only", "Samples whose last word was accepted"),
    Register("IN_WAITS", 0x14, "read-only", "Clock cycles in which an input word had to wait"),
    Register("OUT_WAITS", 0x18, "read-only", "Clock cycles in which an output word had to wait"),
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


def write_hwh(out: Path, *, project_name: str, part: str, system: str, clock: Clock) -> Path:
    """Write the .hwh of a design.

    Args:
        out: the file.
        project_name: a C identifier.
        part: the full part name.
        system: the board's processing system, `zynq7000` or `zynqmp`.
        clock: the fabric clock.

    Raises:
        UnsupportedModelError: the processing system is unknown.
    """
    name, properties = parse_part(part), processing_system(system)
    values: dict[str, object] = {
        **asdict(properties),
        "project": project_name,
        "device": name.device,
        "package": name.package,
        "speed_grade": name.speed_grade,
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
    values["processing_system"] = _fill(f"hwh_{system}.xml", values).rstrip("\n")
    out.write_text(_fill("hwh.xml", values), encoding="utf-8")
    return out


def _fill(template: str, values: dict[str, object]) -> str:
    return Template((_HERE / template).read_text(encoding="utf-8")).substitute(values)


def _registers(registers: Iterable[Register]) -> str:
    template = (_HERE / "hwh_register.xml").read_text(encoding="utf-8")
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
