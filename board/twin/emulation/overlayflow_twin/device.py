"""The twin's pynq Device: it has register access, and pynq's own probing finds it.

It is imported right after `pynq.pl_server.device`, during the import of `pynq`, so the rest of
pynq is imported where it is needed.
"""

import os
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from pynq.pl_server.device import Device

from .clocks import BLOCKS, SIZE, ClockRegisters
from .dma import AxiDma
from .fabric import Fabric, FabricError, image_of
from .faults import fault
from .memory import Memory

_DMA = "xilinx.com:ip:axi_dma:7.1"
_STREAM_BITS = "32"

# The CMA area by machine: in the published PYNQ-Z1 and -Z2 images the last 128 MiB of the low
# memory; on Zynq UltraScale+ the last 256 MiB that a 32-bit DMA reaches.
_CMA = {"armv7l": (0x1000_0000, 128 << 20), "aarch64": (0x7000_0000, 256 << 20)}
# The start of a 64-bit board's high memory, which a DMA with 32 address bits cannot reach.
_HIGH = (0x8_0000_0000, 256 << 20)


class _Slave(NamedTuple):
    """A range of physical addresses, and what answers there by offset."""

    base: int
    size: int
    read: Callable[[int], int]
    write: Callable[[int, int], None]


class TwinDevice(Device):  # type: ignore[misc]  # pynq is untyped
    """A Zynq-7000 or Zynq UltraScale+ board whose programmable logic is simulated clock by clock.

    A program detects a twin by

        cycles = getattr(device, "twin_cycles", None)    # None on real boards

    `twin_cycles` counts the fabric's clock cycles since the bitstream was loaded, except those of
    register accesses: the difference of two readings over the clock frequency is the time of the
    transfers between them. Wall time on a twin is a simulator's.

    The fabric exists in the process that loaded it, until that process ends.
    """

    _probe_priority_ = 10

    @classmethod
    def _probe_(cls) -> "list[TwinDevice]":
        names = ("OVERLAYFLOW_TWIN_KIND", "OVERLAYFLOW_TWIN_PART", "OVERLAYFLOW_TWIN_MACHINE")
        return [cls(*(os.environ[name] for name in names))]

    def __init__(self, kind: str, part: str, machine: str) -> None:
        super().__init__("overlayflow-twin")
        self.name = f"overlayflow-twin ({kind})"
        self.arch = machine
        self.capabilities = {"REGISTER_RW": True}
        self._part = part
        self._memory = Memory(*_CMA[machine])
        self._high_memory = Memory(*_HIGH)
        self._lock = threading.Lock()
        self._processor = []
        for base, boot in BLOCKS[machine].items():
            clocks = ClockRegisters(machine, boot, _stuck_mhz)
            self._processor.append(_Slave(base, SIZE, clocks.read, clocks.write))
        self._slaves = self._processor
        self._fabric: Fabric | None = None

    @property
    def twin_cycles(self) -> int:
        """Return the fabric clock cycles since the bitstream was loaded; 0 before."""
        return self._fabric.cycles if self._fabric else 0

    def allocate(self, shape: Any, dtype: Any, **_: Any) -> Any:
        """Allocate a PynqBuffer that the DMA reaches; `cacheable=` has no effect here."""
        import numpy as np
        from pynq.buffer import PynqBuffer

        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        high = int(fault("high-buffers") or 0)
        with self._lock:
            memory = self._high_memory if nbytes <= high else self._memory
            address, pages = memory.allocate(nbytes)
        return PynqBuffer(
            shape, dtype, buffer=pages, device=self, device_address=address, coherent=False
        )

    def flush(self, bo: Any, offset: int, ptr: int, size: int) -> None:
        """Do nothing: processor and DMA see the same memory."""

    def invalidate(self, bo: Any, offset: int, ptr: int, size: int) -> None:
        """Do nothing: processor and DMA see the same memory."""

    def read_registers(self, address: int, length: int) -> bytes:
        """Read `length` bytes of 32-bit registers from a physical address."""
        with self._lock:
            words = []
            for word in range(address, address + length, 4):
                slave = self._slave(word)
                words.append(slave.read(word - slave.base).to_bytes(4, "little"))
        return b"".join(words)[:length]

    def write_registers(self, address: int, data: bytes) -> None:
        """Write 32-bit registers from a physical address."""
        with self._lock:
            for start in range(0, len(data), 4):
                slave = self._slave(address + start)
                value = int.from_bytes(data[start : start + 4], "little")
                slave.write(address + start - slave.base, value)

    def _slave(self, address: int) -> _Slave:
        for slave in self._slaves:
            if slave.base <= address < slave.base + slave.size:
                return slave
        if self._fabric is None:
            raise RuntimeError(
                f"no bitstream is loaded, so nothing answers at {address:#010x}: on the twin the "
                "fabric lives in the process that loads it (Overlay with download=True)"
            )
        raise RuntimeError(f"bus error: nothing in the loaded design answers at {address:#010x}")

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """Parse the .hwh next to a .bit file with pynq's parser."""
        from .metadata import parse

        return parse(bitfile_name, partial=partial)

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Load the fabric image of a .bit file.

        Raises:
            FabricError: the file has none, is for another part, or needs hardware that the twin
                does not emulate.
        """
        from .metadata import bit_header

        if bitstream.partial:
            raise FabricError("the twin does not emulate partial reconfiguration")
        header = bit_header(bitstream.bitfile_name)
        part = "xc" + header["part"].removeprefix("xc")  # 7-series tools omit the prefix
        if not self._part.startswith(part):
            raise FabricError(
                f"{bitstream.bitfile_name} is for part {part}, this twin has {self._part}"
            )
        image = image_of(header["data"])
        parser = parser or self.get_bitfile_metadata(bitstream.bitfile_name)
        with self._lock:
            self._fabric = Fabric(image)
            self._slaves = [*self._processor, *self._design(self._fabric, parser.ip_dict)]
        self.post_download(bitstream, parser)

    def _design(self, fabric: Fabric, ip_dict: "dict[str, dict[str, Any]]") -> "list[_Slave]":
        """Map the DMA and the design's registers at the addresses in the .hwh file."""
        slaves = []
        for name, ip in ip_dict.items():
            if "phys_addr" not in ip:
                continue  # the processing system itself
            target: AxiDma | Fabric = fabric
            if ip["type"] == _DMA:
                target = AxiDma(self._memory, fabric, _length_width(name, ip["parameters"]))
            slaves.append(_Slave(ip["phys_addr"], ip["addr_range"], target.read, target.write))
        if sum(ip["type"] == _DMA for ip in ip_dict.values()) > 1:
            raise FabricError("the twin connects one DMA to the fabric, this design has more")
        return slaves


def _stuck_mhz() -> "float | None":
    value = fault("clock")
    return float(value) if value else None


def _length_width(name: str, parameters: "dict[str, str]") -> int:
    """Return the width of a DMA's length register; raise FabricError if it is not emulated."""
    emulated = {
        "c_include_sg": "0",
        "c_micro_dma": "0",
        "c_include_mm2s": "1",
        "c_include_s2mm": "1",
        "c_m_axis_mm2s_tdata_width": _STREAM_BITS,
        "c_s_axis_s2mm_tdata_width": _STREAM_BITS,
    }
    for key, value in emulated.items():
        if parameters.get(key, value) != value:
            raise FabricError(
                f"{name} has {key}={parameters[key]}, the twin emulates {key}={value} only"
            )
    return int(parameters["c_sg_length_width"])
