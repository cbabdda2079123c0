"""The hardware handoff (.hwh) of a block design, as Vivado writes one."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from tasks.hardware.part import parse_part
from tests.replay import texts
from tests.replay.blockdesign import INTERCONNECTS, BlockDesign, Cell
from tests.replay.ips import AXI, Interface
from tests.replay.system import complete

_ROLES = {AXI: {"Master": "MASTER", "Slave": "SLAVE"}}
_STREAM_ROLES = {"Master": "INITIATOR", "Slave": "TARGET"}
_UNCONNECTED = "__NOC__"


def handoff(design: BlockDesign, part: str, version: str) -> str:
    """Return the text of a design's .hwh."""
    name = parse_part(part)
    root = ET.Element(
        "EDKSYSTEM", EDWVERSION="1.2", TIMESTAMP="Thu Jan  1 00:00:00 1970", VIVADOVERSION=version
    )
    root.append(ET.Comment(" replay "))
    about = {"ARCH": texts.family(part), "DEVICE": name.device, "NAME": "design_1"}
    about |= {"PACKAGE": name.package, "SPEEDGRADE": name.speed_grade}
    ET.SubElement(root, "SYSTEMINFO", about | ({"BOARD": design.board} if design.board else {}))
    ET.SubElement(root, "EXTERNALPORTS")
    ET.SubElement(root, "EXTERNALINTERFACES")
    modules = ET.SubElement(root, "MODULES")
    for path in sorted(design.cells):
        _module(modules, design, path)
    ET.indent(root)
    head = '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n'
    return f"{head}{ET.tostring(root, encoding='unicode')}\n"


def instance(path: str) -> str:
    """Return what a .hwh calls a cell."""
    return path.replace("/", "_")


def _module(modules: ET.Element, design: BlockDesign, path: str) -> None:
    cell = design.cells[path]
    kind = "BUS" if cell.ip in INTERCONNECTS else "PERIPHERAL"
    attributes = {"FULLNAME": f"/{path}", "HWVERSION": cell.vlnv.rpartition(":")[2]}
    attributes |= {"INSTANCE": instance(path), "IPTYPE": kind, "IS_ENABLE": "1"}
    attributes |= {"MODCLASS": kind, "MODTYPE": cell.ip, "VLNV": cell.vlnv}
    module = ET.SubElement(modules, "MODULE", attributes)
    _blocks(module, cell)
    parameters = ET.SubElement(module, "PARAMETERS")
    for name, value in complete(cell.ip, cell.parameters).items():
        ET.SubElement(parameters, "PARAMETER", NAME=name, VALUE=value)
    ports = ET.SubElement(module, "PORTS")
    for name, pin in cell.shape.pins.items():
        _port(ports, design, f"{path}/{name}", pin.direction, pin.type)
    interfaces = ET.SubElement(module, "BUSINTERFACES")
    for name, interface in cell.shape.interfaces.items():
        _interface(interfaces, design, f"{path}/{name}", interface)
    ranges = list(_ranges(design, path, cell))
    if ranges:
        memory = ET.SubElement(module, "MEMORYMAP")
        for attributes in ranges:
            ET.SubElement(memory, "MEMRANGE", attributes)
        peripherals = ET.SubElement(module, "PERIPHERALS")
        for name in dict.fromkeys(each["INSTANCE"] for each in ranges):
            ET.SubElement(peripherals, "PERIPHERAL", INSTANCE=name)


def _blocks(module: ET.Element, cell: Cell) -> None:
    registers = [
        (name, segment)
        for name, interface in cell.shape.interfaces.items()
        for segment in interface.segments
        if segment.base is None
    ]
    if not registers:
        return
    blocks = ET.SubElement(module, "ADDRESSBLOCKS")
    for name, segment in registers:
        about = {"ACCESS": "read-write", "INTERFACE": name, "RANGE": str(segment.size)}
        about |= {"NAME": segment.name.rpartition("/")[2], "USAGE": "register"}
        ET.SubElement(ET.SubElement(blocks, "ADDRESSBLOCK", about), "REGISTERS")


def _port(ports: ET.Element, design: BlockDesign, path: str, direction: str, kind: str) -> None:
    cell, _, name = path.rpartition("/")
    ends = design.nets.get(path, []) or [end for end in [design.driver(path)] if end]
    port = ET.SubElement(ports, "PORT", DIR=direction, NAME=name, SIGIS=kind)
    if not ends:
        return
    source = path if direction == "O" else ends[0]
    port.set("SIGNAME", source.replace("/", "_"))
    if kind == "clk" and design.cells[cell].ip not in INTERCONNECTS:
        port.set("CLKFREQUENCY", str(round(design.clock()[1] * 1e6)))
    connections = ET.SubElement(port, "CONNECTIONS")
    for end in ends:
        where, _, pin = end.rpartition("/")
        ET.SubElement(connections, "CONNECTION", INSTANCE=instance(where), PORT=pin)


def _interface(
    interfaces: ET.Element, design: BlockDesign, path: str, interface: Interface
) -> None:
    peer = design.peer(path)
    master = path if interface.mode == "Master" else peer
    attributes = {
        "BUSNAME": master.replace("/", "_") if peer else _UNCONNECTED,
        "NAME": path.rpartition("/")[2],
        "TYPE": _ROLES.get(interface.kind, _STREAM_ROLES)[interface.mode],
        "VLNV": f"xilinx.com:interface:{interface.kind}:1.0",
    }
    if interface.kind == AXI:
        attributes["DATAWIDTH"] = str(interface.width or _width(design, peer))
    element = ET.SubElement(interfaces, "BUSINTERFACE", attributes)
    if interface.kind == "axis":
        for name, value in (("TDATA_NUM_BYTES", interface.width // 8), ("HAS_TLAST", 1)):
            ET.SubElement(element, "PARAMETER", NAME=name, VALUE=str(value))
        ET.SubElement(element, "PORTMAPS")


def _width(design: BlockDesign, peer: str) -> int:
    other = design.interface(peer)
    return other.width if other is not None and other.width else 32


def _ranges(design: BlockDesign, path: str, cell: Cell) -> Iterator[dict[str, str]]:
    """What the masters of a cell reach."""
    for name, interface in cell.shape.interfaces.items():
        reached = {
            f"{slave}/{segment.name}": (slave, segment)
            for slave, segment in design.reached(f"{path}/{name}")
        }
        for space, segment, base, size in design.mapped:
            if space != f"{path}/{interface.space}" or segment not in reached:
                continue
            slave, about = reached[segment]
            port = next(
                each
                for each, one in design.cells[slave].shape.interfaces.items()
                if about in one.segments
            )
            registers = about.base is None
            prefix = "C_" if design.cells[slave].own is None else f"C_{port.upper()}_"
            yield {
                "ADDRESSBLOCK": about.name.rpartition("/")[2],
                "BASENAME": f"{prefix}BASEADDR",
                "BASEVALUE": f"0x{base:08X}",
                "HIGHNAME": f"{prefix}HIGHADDR",
                "HIGHVALUE": f"0x{base + size - 1:08X}",
                "INSTANCE": instance(slave),
                "IS_DATA": "TRUE",
                "IS_INSTRUCTION": "TRUE",
                "MASTERBUSINTERFACE": name,
                "MEMTYPE": "REGISTER" if registers else "MEMORY",
                "SLAVEBUSINTERFACE": port,
            }
