"""Designs as graphs, read from .hwh files: whoever wrote them, what goes where."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

INTERCONNECTS = ("axi_interconnect", "smartconnect")
_DRIVING = ("MASTER", "INITIATOR")
_KINDS = ("clk", "rst")


@dataclass(frozen=True)
class Graph:
    """A design.

    Attributes:
        cells: VLNV of each, by name.
        links: from interface to interface, each `cell/interface`.
        nets: of clocks and resets, from pin to pin.
        addresses: master interface, slave interface, first and last address.
        unconnected: interfaces that lead nowhere.
    """

    cells: dict[str, str]
    links: frozenset[tuple[str, str]]
    nets: frozenset[tuple[str, str]]
    addresses: frozenset[tuple[str, str, int, int]]
    unconnected: frozenset[str]

    def without(self, *names: str) -> "Graph":
        """The same without some cells or interfaces, and all that leads to or from them."""

        def kept(*ends: str) -> bool:
            return not any(
                end == name or end.startswith(f"{name}/") for end in ends for name in names
            )

        return Graph(
            {cell: vlnv for cell, vlnv in self.cells.items() if kept(cell)},
            frozenset(link for link in self.links if kept(*link)),
            frozenset(net for net in self.nets if kept(*net)),
            frozenset(each for each in self.addresses if kept(*each[:2])),
            frozenset(each for each in self.unconnected if kept(each)),
        )


def read_graph(handoff: Path, names: dict[str, str]) -> Graph:
    """Read a design.

    Args:
        handoff: the .hwh.
        names: by the names of cells and `cell/interface`, others to be read for them.
    """
    root = ET.fromstring(handoff.read_text(encoding="utf-8-sig"))  # noqa: S314 - a test's own
    modules = {module.get("INSTANCE", ""): module for module in root.iter("MODULE")}

    def end(cell: str, pin: str) -> str:
        path = f"{names.get(cell, cell)}/{pin}"
        return names.get(path, path)

    drivers, sinks = dict[str, str](), list[tuple[str, str]]()
    unconnected = set()
    for cell, module in modules.items():
        for interface in module.iter("BUSINTERFACE"):
            bus, path = interface.get("BUSNAME", ""), end(cell, interface.get("NAME", ""))
            if bus == "__NOC__":
                unconnected.add(path)
            elif interface.get("TYPE") in _DRIVING:
                drivers[bus] = path
            else:
                sinks.append((bus, path))
    return Graph(
        cells={names.get(cell, cell): module.get("VLNV", "") for cell, module in modules.items()},
        links=frozenset((drivers[bus], path) for bus, path in sinks),
        nets=frozenset(_nets(modules, end)),
        addresses=frozenset(
            (
                end(cell, each.get("MASTERBUSINTERFACE", "")),
                end(each.get("INSTANCE", ""), each.get("SLAVEBUSINTERFACE", "")),
                int(each.get("BASEVALUE", "0"), 16),
                int(each.get("HIGHVALUE", "0"), 16),
            )
            for cell, module in modules.items()
            for each in module.iter("MEMRANGE")
        ),
        unconnected=frozenset(unconnected),
    )


def _nets(
    modules: dict[str, ET.Element], end: Callable[[str, str], str]
) -> Iterator[tuple[str, str]]:
    for cell, module in modules.items():
        for port in module.iterfind("PORTS/PORT"):
            if port.get("SIGIS") not in _KINDS or port.get("DIR") != "I":
                continue
            for connection in port.iter("CONNECTION"):
                source = end(connection.get("INSTANCE", ""), connection.get("PORT", ""))
                yield source, end(cell, port.get("NAME", ""))


def parameters(handoff: Path, module_type: str) -> dict[str, str]:
    """Parameters of the first cell of a type, by their names in lower case."""
    root = ET.fromstring(handoff.read_text(encoding="utf-8-sig"))  # noqa: S314 - a test's own
    module = next(each for each in root.iter("MODULE") if each.get("MODTYPE") == module_type)
    return {
        each.get("NAME", "").lower(): each.get("VALUE", "")
        for each in module.iterfind("PARAMETERS/PARAMETER")
    }
