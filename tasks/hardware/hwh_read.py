"""Read a design's .hwh file: part, tool version, fabric clock and register addresses."""

from pathlib import Path
from xml.etree import ElementTree as ET

from tasks.core.errors import InputError
from tasks.core.records.base import Record

_CLOCKS = {
    "processing_system7": "PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ",
    "zynq_ultra_ps_e": "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ",
}


class AddressRange(Record):
    """Addresses of the registers of one block.

    Attributes:
        instance: the block's instance name in the block design.
        base: first address.
        high: last address.
    """

    instance: str
    base: int
    high: int

    @property
    def words(self) -> str:
        """The range in readable form."""
        return f"{self.instance} at {self.base:#010x} to {self.high:#010x}"


class Handoff(Record):
    """The content of a hardware handoff.

    Attributes:
        device: the device without package and speed grade, e.g. `7z020`.
        package: the device's package, e.g. `clg400`.
        board: Vivado's name of the board; empty if the design is for a bare part.
        vivado: version of Vivado that wrote it.
        clock_mhz: the fabric clock.
        addresses: addresses of all registers, lowest first.
        has_dma: whether the design has the AXI DMA that the driver needs.
    """

    device: str
    package: str
    board: str
    vivado: str
    clock_mhz: float
    addresses: tuple[AddressRange, ...]
    has_dma: bool


def read_hwh(path: Path) -> Handoff:
    """Read a .hwh file.

    Raises:
        InputError: it cannot be read, or it lacks the part or the clock.
    """
    root = _parsed(path)
    system = root.find("SYSTEMINFO")
    if system is None:
        raise InputError("not a hardware handoff: it names no part", where=str(path))
    found = {
        AddressRange(
            instance=each.get("INSTANCE", ""),
            base=int(each.get("BASEVALUE", "0"), 16),
            high=int(each.get("HIGHVALUE", "0"), 16),
        )
        for each in root.iter("MEMRANGE")
        if each.get("MEMTYPE") == "REGISTER"
    }
    return Handoff(
        device=system.get("DEVICE", ""),
        package=system.get("PACKAGE", ""),
        board=system.get("BOARD", ""),
        vivado=root.get("VIVADOVERSION", ""),
        clock_mhz=_clock_mhz(root, path),
        addresses=tuple(sorted(found, key=lambda each: each.base)),
        has_dma=any(each.get("MODTYPE") == "axi_dma" for each in root.iter("MODULE")),
    )


def built_clock_mhz(path: Path) -> float:
    """Return the fabric clock in MHz, as pynq will set it.

    Raises:
        InputError: the .hwh cannot be read, or does not say.
    """
    return _clock_mhz(_parsed(path), path)


def _parsed(path: Path) -> ET.Element:
    try:
        return ET.fromstring(path.read_text(encoding="utf-8-sig"))  # noqa: S314  expat bounds entities
    except (OSError, ET.ParseError, UnicodeDecodeError) as error:
        raise InputError(f"not a hardware handoff: {error}", where=str(path)) from None


def _clock_mhz(root: ET.Element, path: Path) -> float:
    for module in root.iter("MODULE"):
        wanted = _CLOCKS.get(module.get("MODTYPE", ""))
        for parameter in module.iter("PARAMETER"):
            if wanted is not None and parameter.get("NAME") == wanted:
                return float(parameter.get("VALUE", "nan"))
    raise InputError(
        "it names no fabric clock", where=str(path), remedy="implement the design again"
    )
