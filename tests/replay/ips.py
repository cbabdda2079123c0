"""What cells of a block design look like: IPs of the catalogue, modules in Verilog, IPs of HLS."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tests.replay.errors import CommandError

AXI, STREAM = "aximm", "axis"
_ANY = "any"


@dataclass(frozen=True)
class Pin:
    """A pin.

    Attributes:
        optional: whether a design without a driver for it is in order.
    """

    direction: str
    type: str
    optional: bool = False


@dataclass(frozen=True)
class Segment:
    """What can be mapped at an interface.

    Attributes:
        name: of the segment, below the cell.
        base: its address; None where the master chooses it.
    """

    name: str
    base: int | None
    size: int


@dataclass(frozen=True)
class Interface:
    """An interface.

    Attributes:
        clock: the pin that clocks it; empty where none is named.
        width: of its data, in bits; 0 where it follows from what it is connected to.
        space: the address space that it is the master of.
    """

    mode: str
    kind: str
    clock: str = ""
    width: int = 0
    space: str = ""
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class Shape:
    """Pins and interfaces of a cell."""

    pins: Mapping[str, Pin] = field(default_factory=dict)
    interfaces: Mapping[str, Interface] = field(default_factory=dict)

    def saved(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> "Shape":
        """Take `saved` back."""
        interfaces = {
            name: Interface(**each | {"segments": tuple(Segment(**s) for s in each["segments"])})
            for name, each in saved["interfaces"].items()
        }
        return cls({name: Pin(**each) for name, each in saved["pins"].items()}, interfaces)


class Catalogue:
    """The IPs of one version of Vivado."""

    def __init__(self, version: str) -> None:
        self._version = version

    def definitions(self, name: str, *, everything: bool, for_designs: bool) -> list[str]:
        """Return the VLNVs of an IP.

        Args:
            name: of the IP.
            everything: also what is hidden (`get_ipdefs -all`).
            for_designs: only what a block design takes.
        """
        ip = _catalogue().get(name)
        if ip is None or self._version >= ip.get("gone", "9999"):
            return []
        listed = everything or self._version < ip.get("hidden", "9999")
        current = [self.version(name)] if listed else []
        old = [] if for_designs else ip.get("old", [])
        return [f"xilinx.com:ip:{name}:{each}" for each in (*old, *current)]

    def version(self, name: str) -> str:
        """Return the version of an IP that block designs take."""
        versions = _catalogue()[name]["versions"]
        return str([versions[first] for first in sorted(versions) if first <= self._version][-1])

    def check(self, vlnv: str) -> None:
        """Raise CommandError unless a block design can have an IP."""
        _, _, name, version = vlnv.split(":")
        found = self.definitions(name, everything=True, for_designs=False)
        if not found:
            raise CommandError(f"ERROR: [BD 5-390] IP definition not found for VLNV: {vlnv}")
        if version in _catalogue()[name].get("old", []):
            raise CommandError(f"ERROR: [BD 5-313] Found unsupported IP '{vlnv}' in design.")
        if version != self.version(name):
            raise CommandError(
                f"ERROR: [BD 5-216] VLNV <{vlnv}> is not supported for the current part. The "
                f"latest supported version is <{self.version(name)}>."
            )


def defaults(name: str) -> dict[str, str]:
    """Return the parameters of an IP with their defaults."""
    return dict(_catalogue()[name]["parameters"])


def shape(name: str, parameters: Mapping[str, str]) -> Shape:
    """Return what a cell of an IP has with these parameters."""
    ip = _catalogue()[name]
    pins = {
        each: Pin(table["direction"], table["type"], table.get("optional", False))
        for each, table, _ in _present(ip["pins"], parameters)
    }
    interfaces = {
        each: _interface(table, parameters, number)
        for each, table, number in _present(ip["interfaces"], parameters)
    }
    return Shape(pins, interfaces)


def _present(
    table: Mapping[str, Any], parameters: Mapping[str, str]
) -> Iterator[tuple[str, Any, str]]:
    """Those entries that are there with these parameters, each with its number, if it has one."""
    for name, entry in table.items():
        if parameters.get(entry.get("when", ""), "1") == "0":
            continue
        if "count" not in entry:
            yield name, entry, ""
            continue
        for number in range(int(parameters[entry["count"]])):
            yield name.format(f"{number:02}"), entry, f"{number:02}"


def _interface(table: Mapping[str, Any], parameters: Mapping[str, str], number: str) -> Interface:
    width = table.get("width", "0")
    return Interface(
        mode=table["mode"],
        kind=table["kind"],
        clock=table.get("clock", "").format(number),
        width=int(parameters[width[1:]] if width.startswith("$") else width),
        space=table.get("space", ""),
        segments=tuple(
            Segment(name, None if base == _ANY else base, size)
            for name, base, size in table.get("segments", ())
        ),
    )


@cache
def _catalogue() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("ips.toml").read_text(encoding="utf-8"))


_PORT = re.compile(
    r"(?P<attributes>(?:\(\*.*?\*\)\s*)*)"
    r"\b(?P<direction>input|output)\s+(?:wire\s+|reg\s+)?(?:\[(?P<high>\d+):0\]\s*)?(?P<name>\w+)",
    re.DOTALL,
)
_INFO = re.compile(r'X_INTERFACE_INFO\s*=\s*"xilinx\.com:\w+:(\w+):1\.0 (\w+) (\w+)"')
_BUSES = re.compile(r'X_INTERFACE_PARAMETER\s*=\s*"[^"]*ASSOCIATED_BUSIF ([\w:]+)')
# By kind, the port that tells a slave from a master by its direction.
_LEADING = {STREAM: "TVALID", AXI: "AWVALID"}
_SIGNALS = {"clock": "clk", "reset": "rst"}


def module_shape(name: str, sources: list[Path]) -> Shape:
    """Return what a module reference has, by the attributes of its ports.

    Raises:
        CommandError: there is no such module, or Vivado takes its language for no reference.
    """
    source = _source_of(name, sources)
    if source.suffix != ".v":
        raise CommandError(
            f"ERROR: [filemgmt 56-195] Reference '{name}' contains top file '{source}' of type "
            "SystemVerilog. This type is not allowed as the top file in the reference."
        )
    text = source.read_text(encoding="utf-8")
    header = text[re.search(rf"^module {name}\b", text, re.MULTILINE).start() :].split(");\n")[0]  # type: ignore[union-attr]
    pins, members, clocks = {}, dict[str, dict[str, tuple[str, str]]](), dict[str, str]()
    for port in _PORT.finditer(header):
        direction = "I" if port["direction"] == "input" else "O"
        kind, interface, role = (_INFO.findall(port["attributes"]) or [("undef", "", "")])[0]
        pins[port["name"]] = Pin(direction, _SIGNALS.get(kind, "undef"), optional=bool(interface))
        if kind in _SIGNALS:
            pins[port["name"]] = Pin(direction, _SIGNALS[kind])
        elif interface:
            width = str(int(port["high"] or 0) + 1)
            members.setdefault(f"{kind} {interface}", {})[role] = (direction, width)
        for buses in _BUSES.findall(port["attributes"]):
            clocks |= dict.fromkeys(buses.split(":"), port["name"])
    interfaces = {}
    for both, roles in members.items():
        kind, interface = both.split()
        data = roles["TDATA"] if kind == STREAM else roles["WDATA"]
        mode = "Slave" if roles[_LEADING[kind]][0] == "I" else "Master"
        registers = (Segment(f"{interface}/reg0", None, 0x10000),)
        interfaces[interface] = Interface(
            mode=mode,
            kind=kind,
            clock=clocks.get(interface, ""),
            width=int(data[1]),
            segments=registers if kind == AXI and mode == "Slave" else (),
        )
    return Shape(pins, interfaces)


def _source_of(name: str, sources: list[Path]) -> Path:
    for source in sources:
        if re.search(rf"^module {name}\b", source.read_text(encoding="utf-8"), re.MULTILINE):
            return source
    raise CommandError(
        f"ERROR: [filemgmt 56-189] Failed to resolve reference. Nothing was found in the project "
        f"to match the name '{name}'.\n"
        f"ERROR: [BD 41-1690] Unable to resolve module-source based on inputs: {name}\n"
        f"ERROR: [BD 5-7] Error: running create_bd_cell  -type module -reference {name} ."
    )


def hls_shape() -> Shape:
    """Return what an IP of hls4ml's has: two streams, one clock."""
    pins = {"ap_clk": Pin("I", "clk"), "ap_rst_n": Pin("I", "rst")}
    interfaces = {
        "in_r": Interface("Slave", STREAM, "ap_clk", 32),
        "out_r": Interface("Master", STREAM, "ap_clk", 32),
    }
    return Shape(pins, interfaces)


def repository(directories: list[str]) -> list[str]:
    """Return the VLNVs of the IPs below some directories."""
    names = ("vendor", "library", "name", "version")
    found = []
    for directory in directories:
        for component in sorted(Path(directory).rglob("component.xml")):
            root = ET.parse(component).getroot()  # noqa: S314 - written by the replayed HLS
            found.append(":".join(str(root.findtext(name)) for name in names))
    return found
