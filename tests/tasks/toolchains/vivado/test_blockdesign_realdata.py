"""The replay's IPs, and our design, against .hwh files that Vivado wrote for real boards."""

from importlib.resources import files as resources
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from board.kinds import board_kinds
from tests.replay import ips, texts
from tests.tasks.toolchains.vivado.conftest import Vivado
from tests.tasks.toolchains.vivado.designs import Graph, parameters, read_graph
from tests.tasks.toolchains.vivado.realdata import REALDATA

# A design for the PYNQ-Z2 by hls4ml's own script, one with registers of the accelerator, and one of
# HLS for the KV260.
HLS4ML = REALDATA / "Hector-Plata+hls4ml-tutorial/model_3/hls4ml_prj_pynq/package/hls4ml_nn.hwh"
REGISTERS = REALDATA / (
    "nicologhielmetti+hls4ml-pynq/dma_test_pynq_float/dma_test_pynq_v2/dma_test_pynq.srcs/"
    "sources_1/bd/design_1/hw_handoff/design_1.hwh"
)
KV260 = REALDATA / "Risamp+ELEN90096-Group-2/deployment/srcnn.hwh"
pytestmark = pytest.mark.skipif(not REGISTERS.exists(), reason="no outputs of real tools here")

REAL = {
    "ps7_0_axi_periph": "control",
    "axi_mem_intercon": "memory",
    "rst_ps7_0_100M": "reset",
    "hier_0_axi_dma_0": "dma",
    "hier_0_myproject_axi_0": "top",
    "processing_system7_0": "ps",
    "top/in_r": "top/in",
    "top/out_r": "top/out",
    "top/ap_clk": "top/clock",
    "top/ap_rst_n": "top/reset",
    "top/s_axi_AXILiteS": "top/registers",
}
OURS = {
    "control_intercon": "control",
    "axi_mem_intercon": "memory",
    "rst_0": "reset",
    "hier_0_axi_dma_0": "dma",
    "hier_0_tiny_axi_0": "top",
    "processing_system7_0": "ps",
    "top/s_axis": "top/in",
    "top/m_axis": "top/out",
    "top/aclk": "top/clock",
    "top/aresetn": "top/reset",
    "top/s_axi_control": "top/registers",
}
# Interfaces of the processing system that lead nowhere in any design here.
UNUSED = ("ps/S_AXI_HP0_FIFO_CTRL", "ps/USBIND_0")
HLS4ML_PROJECT = """\
set project_name "myproject"
set bit_width_hls_input 32
set bit_width_hls_output 32
"""
# Stops where hls4ml's script has made its design, whose handoff is written then.
STOP = """
set argv {1 100}
namespace eval stopping {
    proc reset_run {args} { generate_target all [get_files design_1.bd]; exit 0 }
    source design.tcl
}
"""
# Looks into a handoff as our own build does.
LOOK = """
set handoff [open [lindex $argv 0]]
set text [read $handoff]
source [file join [file dirname [info script]] runs.tcl]
source [file join [file dirname [info script]] design.tcl]
foreach cell {axi_dma_0 myproject_axi_0} { ::overlayflow::require_connected $cell $text }
"""


def same_vlnv(real: Graph, ours: Graph) -> bool:
    return {c: v for c, v in real.cells.items() if c != "top"} == {
        c: v for c, v in ours.cells.items() if c != "top"
    }


@pytest.fixture
def hls4ml(vivado: Vivado) -> Path:
    """The design that hls4ml's own script makes in the replay."""
    templates = resources("hls4ml") / "templates" / "vivado_accelerator" / "pynq-z2"
    script = Path(str(templates)) / "tcl_scripts" / "axi_stream_design.tcl"
    place = vivado.directory
    (place / "design.tcl").write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    (place / "project.tcl").write_text(HLS4ML_PROJECT, encoding="utf-8")
    part = board_kinds()["pynq-z2"].part
    component = place / "myproject_prj" / "component.xml"
    texts.write(component, texts.component_xml("myproject_axi", part))
    (vivado.scripts / "stop.tcl").write_text(STOP, encoding="utf-8")
    done = vivado.run("stop.tcl", version="2019.2")
    assert done.returncode == 0, done.log
    return done.handoff


def test_the_replay_makes_of_hls4mls_script_what_vivado_made_of_it(hls4ml: Path) -> None:
    real, replayed = read_graph(HLS4ML, {}), read_graph(hls4ml, {})
    unused = [each.replace("ps/", "processing_system7_0/") for each in UNUSED]
    assert replayed == real.without(*unused)


def test_our_design_is_hls4mls_with_registers_of_the_accelerator(vivado: Vivado) -> None:
    real = read_graph(HLS4ML, REAL).without(*UNUSED)
    ours = read_graph(vivado.build(version="2019.2").handoff, OURS)
    assert same_vlnv(real, ours)
    beside = ("top/registers", "control/M01_AXI", "control/M01_ACLK", "control/M01_ARESETN")
    without = ours.without(*beside)
    assert (without.links, without.nets) == (real.links, real.nets)
    assert (without.addresses, without.unconnected) == (real.addresses, real.unconnected)


def test_our_design_is_that_of_a_real_one_with_registers(vivado: Vivado) -> None:
    real = read_graph(REGISTERS, REAL).without(*UNUSED)
    ours = read_graph(vivado.build(version="2019.2").handoff, OURS)
    assert same_vlnv(real, ours)
    assert (ours.links, ours.addresses) == (real.links, real.addresses)
    # Its interconnects are reset by another output of the same cell.
    others = {net for net in real.nets if net[0] == "reset/interconnect_aresetn"}
    moved = {("reset/peripheral_aresetn", end) for _, end in others}
    assert ours.nets == (real.nets - others) | moved


@pytest.mark.parametrize(
    ("there", "gone", "said"),
    [
        (' SIGNAME="rst_ps7_0_100M_peripheral_aresetn"', "", "nothing drives axi_resetn"),
        ('"hier_0_myproject_axi_0_out_r"', '"__NOC__"', "S_AXIS_S2MM of axi_dma_0 is connected to"),
    ],
)
def test_what_is_left_open_in_a_real_handoff_is_found(
    vivado: Vivado, there: str, gone: str, said: str
) -> None:
    (vivado.scripts / "look.tcl").write_text(LOOK, encoding="utf-8")
    text = HLS4ML.read_text(encoding="utf-8")
    opened = vivado.directory / "open.hwh"
    opened.write_text(text.replace(there, gone), encoding="utf-8")
    assert vivado.run("look.tcl", str(HLS4ML)).returncode == 0
    done = vivado.run("look.tcl", str(opened))
    assert done.returncode == 1
    assert said in done.log


@pytest.mark.parametrize("ip", ["axi_dma", "processing_system7"])
def test_our_parameters_are_those_of_a_real_design(vivado: Vivado, ip: str) -> None:
    ours = parameters(vivado.build(version="2019.2").handoff, ip)
    real = parameters(HLS4ML, ip)

    def plain(value: str) -> str:
        return f"{float(value):g}" if value.replace(".", "", 1).isdigit() else value

    different = {n: (ours[n], real[n]) for n in ours if plain(ours[n]) != plain(real[n])}
    assert not different


@pytest.mark.parametrize(
    ("handoff", "names"),
    [(HLS4ML, ("axi_dma", "processing_system7", "proc_sys_reset")), (KV260, ("zynq_ultra_ps_e",))],
    ids=["pynq-z2", "kv260"],
)
def test_the_replays_ips_have_what_real_ones_have(handoff: Path, names: tuple[str, ...]) -> None:
    root = ET.fromstring(handoff.read_text(encoding="utf-8-sig"))  # noqa: S314 - data of ours
    for name in names:
        module = next(each for each in root.iter("MODULE") if each.get("MODTYPE") == name)
        real = parameters(handoff, name)
        ours = ips.defaults(name)
        assert not [each for each in ours if each.lower() not in real]
        shape = ips.shape(name, {each: real[each.lower()] for each in ours})
        ports = {port.get("NAME"): port for port in module.iterfind("PORTS/PORT")}
        for pin, about in shape.pins.items():
            port = ports[pin]
            assert (port.get("DIR"), port.get("SIGIS", "").lower()) in {
                (about.direction, about.type),
                (about.direction, "undef"),
                (about.direction, "interrupt"),
            }
        kinds = {each.get("NAME"): each for each in module.iter("BUSINTERFACE")}
        for interface, shown in shape.interfaces.items():
            assert f":{shown.kind}:" in (kinds[interface].get("VLNV") or "")
            master = kinds[interface].get("TYPE") in ("MASTER", "INITIATOR")
            assert master == (shown.mode == "Master")
