"""A block design: cells, what connects them, addresses; and what Vivado refuses or warns of."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.replay import ips
from tests.replay.errors import CommandError
from tests.replay.ips import AXI, Catalogue, Interface, Pin, Segment, Shape
from tests.replay.system import SYSTEMS, actual, complete

INTERCONNECTS = ("axi_interconnect", "smartconnect")
DMA = "axi_dma"
ADDRESSES_32 = 1 << 32
# Where the registers of an IP come to lie, by the master's IP: the DMA's have a place of their own.
_FIRST = {
    ("processing_system7", DMA): 0x4040_0000,
    ("processing_system7", ""): 0x43C0_0000,
    ("zynq_ultra_ps_e", ""): 0xA000_0000,
}


@dataclass
class Cell:
    """A cell.

    Attributes:
        vlnv: of its IP; of a module reference, the one that Vivado gives it.
        parameters: without `CONFIG.`.
        own: what it has, where that is not the catalogue's to say; as `Shape.saved`.
    """

    vlnv: str
    parameters: dict[str, str] = field(default_factory=dict)
    own: dict[str, Any] | None = None

    @property
    def ip(self) -> str:
        """The name of its IP."""
        return self.vlnv.split(":")[2]

    @property
    def shape(self) -> Shape:
        """Its pins and interfaces."""
        return Shape.restored(self.own) if self.own else ips.shape(self.ip, self.parameters)


@dataclass
class BlockDesign:
    """State that a project keeps, as JSON.

    Attributes:
        cells: by path, without the first slash.
        joined: pairs of interfaces, the master first; ports of the design have no slash.
        nets: by the path of the pin that drives it, the pins that it drives.
        mapped: segments by address space: (space, segment, base, size).
        board: the board part of the project; empty for a bare part.
    """

    cells: dict[str, Cell] = field(default_factory=dict)
    joined: list[list[str]] = field(default_factory=list)
    nets: dict[str, list[str]] = field(default_factory=dict)
    mapped: list[tuple[str, str, int, int]] = field(default_factory=list)
    board: str = ""

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> "BlockDesign":
        """Take what dataclasses.asdict made of a design back."""
        cells = {path: Cell(**cell) for path, cell in saved["cells"].items()}
        mapped = [(space, segment, base, size) for space, segment, base, size in saved["mapped"]]
        return cls(cells, saved["joined"], saved["nets"], mapped, saved["board"])

    # cells

    def create(self, vlnv: str, name: str, catalogue: Catalogue, repository: list[str]) -> str:
        """Create a cell of an IP."""
        vendor, library, ip, _ = vlnv.split(":")
        if vlnv in repository:
            return self.add(name, Cell(vlnv, own=ips.hls_shape().saved()))
        if (vendor, library) != ("xilinx.com", "ip"):
            raise CommandError(f"ERROR: [BD 5-390] IP definition not found for VLNV: {vlnv}")
        catalogue.check(vlnv)
        return self.add(name, Cell(vlnv, ips.defaults(ip)))

    def add(self, name: str, cell: Cell) -> str:
        """Add a cell, and return it as an object."""
        if name in self.cells:
            raise CommandError(f"ERROR: [BD 41-85] a cell '{name}' exists already")
        self.cells[name] = cell
        return f"/{name}"

    def cell(self, path: str) -> Cell:
        """The cell of a path."""
        return self.cells[path.removeprefix("/")]

    def of_ip(self, *names: str) -> Iterator[str]:
        """Paths of the cells of some IPs."""
        return (path for path, cell in self.cells.items() if cell.ip in names)

    def set(self, path: str, name: str, value: str) -> None:
        """Set a property of a cell; Vivado only warns of one that does not exist."""
        parameters = self.cell(path).parameters
        name = name.removeprefix("CONFIG.")
        if name.endswith(".VALUE_SRC"):
            return
        if name not in parameters:
            print(
                f"CRITICAL WARNING: [BD 41-1276] Cannot set the parameter {name} on {path}. "
                "Parameter does not exist"
            )
            return
        parameters[name] = value

    def get(self, path: str, name: str) -> str:
        """A property of a cell."""
        cell = self.cell(path)
        name = name.removeprefix("CONFIG.")
        return cell.vlnv if name == "VLNV" else complete(cell.ip, cell.parameters).get(name, "")

    def group(self, hierarchy: str, paths: list[str]) -> None:
        """Move cells into a hierarchy."""
        for path in paths:
            old = path.removeprefix("/")
            new = f"{hierarchy}/{old}"
            self.cells[new] = self.cells.pop(old)

            def moved(end: str, old: str = old, new: str = new) -> str:
                return new + end.removeprefix(old) if end.startswith(f"{old}/") else end

            self.joined = [[moved(a), moved(b)] for a, b in self.joined]
            self.nets = {moved(a): [moved(b) for b in ends] for a, ends in self.nets.items()}
            self.mapped = [(moved(a), moved(b), at, size) for a, b, at, size in self.mapped]

    # pins and interfaces

    def pin(self, path: str) -> Pin | None:
        """The pin of a path, if it is there."""
        cell, _, name = path.removeprefix("/").rpartition("/")
        return self.cells[cell].shape.pins.get(name) if cell in self.cells else None

    def interface(self, path: str) -> Interface | None:
        """The interface of a path, if it is there."""
        cell, _, name = path.removeprefix("/").rpartition("/")
        return self.cells[cell].shape.interfaces.get(name) if cell in self.cells else None

    def pins_of(self, path: str, expression: str) -> list[str]:
        """Pins of a cell that a filter such as `TYPE == clk && DIR == I` lets pass."""
        wanted = dict(re.findall(r"(TYPE|DIR) == (\w+)", expression))
        return [
            f"/{path.removeprefix('/')}/{name}"
            for name, pin in self.cell(path).shape.pins.items()
            if {"TYPE": pin.type, "DIR": pin.direction}.items() >= wanted.items()
        ]

    def join(self, first: str, second: str) -> None:
        """Connect two interfaces."""
        pair = [first.removeprefix("/"), second.removeprefix("/")]
        ends = [self.interface(path) for path in pair]
        if ends[0] is None or ends[1] is None:
            raise CommandError(
                "ERROR: [BD 5-106] Arguments to the connect_bd_intf_net command cannot be empty."
            )
        modes = [end.mode for end in ends if end]
        if modes[0] == modes[1] or ends[0].kind != ends[1].kind:
            names = [path.rpartition("/")[2] for path in pair]
            raise CommandError(
                f"ERROR: [BD 41-171] The modes of the interface pins '{names[0]}'({modes[0]}) and "
                f"'{names[1]}'({modes[1]}) are incompatible. They cannot be connected.\n"
                "ERROR: [BD 5-3] Error: running connect_bd_intf_net."
            )
        for path in pair:
            if self.peer(path):
                raise CommandError(
                    f"ERROR: [BD 41-249] The interface </{path}> is connected already\n"
                    "ERROR: [BD 5-3] Error: running connect_bd_intf_net."
                )
        self.joined.append(pair if modes[0] == "Master" else pair[::-1])

    def make_external(self, path: str) -> None:
        """Connect an interface to a port of the design."""
        self.joined.append([path.removeprefix("/"), path.rpartition("/")[2]])

    def peer(self, path: str) -> str:
        """What an interface is connected to; empty for nothing."""
        for pair in self.joined:
            if path in pair:
                return pair[1 - pair.index(path)]
        return ""

    def connect(self, paths: list[str]) -> None:
        """Connect pins: one drives all others."""
        found = [path.removeprefix("/") for path in paths]
        pins = {path: self.pin(path) for path in found}
        if len(pins) < 2 or None in pins.values():
            raise CommandError(
                "ERROR: [BD 41-701] connect_bd_net requires at least two pins/ports, or one "
                "pin/port and a net"
            )
        sources = [path for path, pin in pins.items() if pin and pin.direction == "O"]
        known = [self.driver(path) for path in found if self.driver(path)]
        if len(set(sources + known)) != 1:
            raise CommandError(
                f"ERROR: [BD 41-249] Net has {len(set(sources + known))} source ports\n"
                "ERROR: [BD 5-4] Error: running connect_bd_net."
            )
        driver = (sources + known)[0]
        driven = self.nets.setdefault(driver, [])
        driven += [path for path in found if path != driver and path not in driven]

    def driver(self, path: str) -> str:
        """The pin that drives one; empty for none."""
        return next((source for source, ends in self.nets.items() if path in ends), "")

    def clock_of(self, path: str) -> str:
        """The pin that drives the clock of an interface; empty for none."""
        interface = self.interface(path)
        if interface is None or not interface.clock:
            return ""
        return self.driver(f"{path.rpartition('/')[0]}/{interface.clock}")

    # addresses

    def assign(self) -> None:
        """Map every segment that a master reaches and that is not mapped yet."""
        for path, cell in self.cells.items():
            for name, interface in cell.shape.interfaces.items():
                if not interface.space:
                    continue
                space = f"{path}/{interface.space}"
                for slave, segment in self.reached(f"{path}/{name}"):
                    self._map(cell.ip, space, slave, segment)

    def reached(self, master: str) -> Iterator[tuple[str, Segment]]:
        """Cells and segments that a master reaches, through interconnects."""
        peer = self.peer(master)
        cell, _, name = peer.rpartition("/")
        if cell not in self.cells:
            return
        if self.cells[cell].ip in INTERCONNECTS:
            for each, interface in self.cells[cell].shape.interfaces.items():
                if interface.mode == "Master":
                    yield from self.reached(f"{cell}/{each}")
            return
        for segment in self.cells[cell].shape.interfaces[name].segments:
            yield cell, segment

    def _map(self, master: str, space: str, slave: str, segment: Segment) -> None:
        path = f"{slave}/{segment.name}"
        if any(each[:2] == (space, path) for each in self.mapped):
            return
        base = segment.base
        if base is None:
            ip = self.cells[slave].ip
            first = _FIRST.get((master, ip), _FIRST.get((master, ""), 0))
            taken = {at for where, _, at, _ in self.mapped if where == space}
            base = next(at for at in range(first, 1 << 40, segment.size) if at not in taken)
        if base >= ADDRESSES_32 and self.cells[space.rpartition("/")[0]].ip == DMA:
            print(
                f"CRITICAL WARNING: [BD 41-1629] </{path}> is excluded from all addressable "
                "master spaces."
            )
            return
        print(
            f"Slave segment '/{path}' is being assigned into address space '/{space}' at "
            f"<0x{base:08X} [ {segment.size >> 10}K ]>."
        )
        self.mapped.append((space, path, base, segment.size))

    # the whole

    def clock(self) -> tuple[str, float]:
        """The processing system's kind and its fabric clock in MHz."""
        for path in self.of_ip(*SYSTEMS):
            cell = self.cells[path]
            return SYSTEMS[cell.ip].kind, actual(cell.ip, cell.parameters).mhz
        raise CommandError("ERROR: [BD 41-758] The following clock pins are not connected")

    def validate(self) -> None:
        """Warn as Vivado does, and raise CommandError for what it refuses."""
        self._check_clocks()
        self._check_inputs()
        self._check_frequencies()
        for path, cell in self.cells.items():
            for name, interface in cell.shape.interfaces.items():
                if interface.space:
                    self._check_mapped(f"{path}/{interface.space}", f"{path}/{name}")

    def _undriven(self, kind: str) -> list[str]:
        return [
            f"/{path}/{name}"
            for path, cell in self.cells.items()
            for name, pin in cell.shape.pins.items()
            if (pin.direction, pin.type) == ("I", kind)
            and not pin.optional
            and not self.driver(f"{path}/{name}")
        ]

    def _check_clocks(self) -> None:
        if undriven := self._undriven("clk"):
            lines = "\n".join(undriven)
            raise CommandError(
                "ERROR: [BD 41-758] The following clock pins are not connected to a valid clock "
                f"source: \n{lines}"
            )

    def _check_inputs(self) -> None:
        if undriven := [*self._undriven("rst"), *self._undriven("undef")]:
            print(
                "CRITICAL WARNING: [BD 41-759] The input pins (listed below) are either not "
                "connected or do not have a source port, and they don't have a tie-off specified. "
                "These pins are tied-off to all 0's to avoid error in Implementation flow.\n"
                "Please check your design and connect them as needed: \n" + "\n".join(undriven)
            )

    def _check_frequencies(self) -> None:
        for pair in self.joined:
            if self.interface(pair[1]) is None:  # a port of the design
                continue
            sources = [self.clock_of(path) for path in pair]
            for path, source in zip(pair, sources, strict=True):
                if not source:
                    print(
                        f"CRITICAL WARNING: [BD 41-967] AXI interface pin /{path} is not "
                        "associated to any clock pin. It may not work correctly."
                    )
            hertz = [self._hertz(source) for source in sources]
            if hertz[0] != hertz[1]:
                raise CommandError(
                    "ERROR: [BD 41-237] Bus Interface property FREQ_HZ does not match between "
                    f"/{pair[0]}({hertz[0]}) and /{pair[1]}({hertz[1]})"
                )

    def _hertz(self, source: str) -> int:
        """A clock's frequency; an interface without a clock passes for 100 MHz."""
        return round(self.clock()[1] * 1e6) if source else 100_000_000

    def _check_mapped(self, space: str, master: str) -> None:
        known = {segment for where, segment, _, _ in self.mapped if where == space}
        for slave, segment in self.reached(master):
            path = f"{slave}/{segment.name}"
            if path not in known and (segment.base or 0) < ADDRESSES_32:
                print(
                    f"CRITICAL WARNING: [BD 41-1356] Slave segment </{path}> is not assigned into "
                    f"address space </{space}>. Please use Address Editor to either assign or "
                    "exclude it."
                )

    def streams(self) -> Iterator[tuple[str, str]]:
        """Pairs of joined streams, the master first."""
        return (
            (a, b)
            for a, b in self.joined
            if (interface := self.interface(a)) is not None and interface.kind != AXI
        )
