"""The block design that our Tcl makes, in every version of Vivado, and what Vivado refuses."""

from typing import NamedTuple

import pytest

from board.kinds import board_kinds
from tasks.toolchains.vivado.diagnosis import diagnose
from tests.tasks.toolchains.vivado.conftest import Vivado
from tests.tasks.toolchains.vivado.designs import parameters, read_graph

VERSIONS = ("2019.1", "2020.1", "2020.2", "2022.2", "2024.1", "2025.1")
MET = {
    "pynq-z1": "2019.1",
    "ultra96v2": "2020.1",
    "zcu104": "2020.2",
    "kv260": "2022.2",
    "zcu102": "2024.1",
    "pynq-z2": "2024.1",
    "aup-zu3": "2025.1",
}


def test_every_kind_meets_a_version_and_every_version_a_kind() -> None:
    assert set(MET) == {name for name, kind in board_kinds().items() if kind.vivado_board}
    assert set(MET.values()) == set(VERSIONS)


@pytest.mark.parametrize(("kind", "version"), MET.items())
def test_every_kind_gets_a_design_on_its_own_part(vivado: Vivado, kind: str, version: str) -> None:
    done = vivado.build(kind, version)
    assert done.returncode == 0, done.log
    assert "Cannot set the parameter" not in done.log
    about = board_kinds()[kind]
    assert f"overlayflow: the board is {about.vivado_board}:" in done.log
    graph = read_graph(done.handoff, {})
    ports = {slave for _, slave, _, _ in graph.addresses}
    assert {"hier_0_axi_dma_0/S_AXI_LITE", "hier_0_tiny_axi_0/s_axi_control"} <= ports
    assert not graph.unconnected


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["pynq-z2", "zcu104"])
def test_every_version_makes_the_same_design(vivado: Vivado, kind: str, version: str) -> None:
    done = vivado.build(kind, version)
    assert done.returncode == 0, done.log
    kept = "srcs" if version < "2020.2" else "gen"
    assert f"project_1.{kept}" in done.handoff.parts
    graph = read_graph(done.handoff, {})
    assert ("hier_0_axi_dma_0/M_AXIS_MM2S", "hier_0_tiny_axi_0/s_axis") in graph.links
    assert ("hier_0_tiny_axi_0/m_axis", "hier_0_axi_dma_0/S_AXIS_S2MM") in graph.links


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_that_fails_ends_the_build_in_every_version(vivado: Vivado, version: str) -> None:
    done = vivado.build(version=version, fault="top-missing")
    assert done.returncode == 1
    told = "ERROR: [Vivado 12-13638]" if version >= "2024.1" else "WARNING: [Vivado 12-8222]"
    assert f"{told} Failed run" in done.log
    log = done.directory / "vivado" / "project_1.runs" / "synth_1" / "runme.log"
    found = diagnose(log, step="implement", tool="vivado", returncode=1)
    assert found is not None
    assert found.signature == "synth-no-top"


def test_versions_of_ips_are_those_that_the_vivado_has(vivado: Vivado) -> None:
    old, new = (
        read_graph(vivado.build("zcu104", version).handoff, {}).cells
        for version in ("2020.2", "2025.1")
    )
    assert old["zynq_ultra_ps_e_0"] == "xilinx.com:ip:zynq_ultra_ps_e:3.3"
    assert new["zynq_ultra_ps_e_0"] == "xilinx.com:ip:zynq_ultra_ps_e:3.5"


def test_a_vivado_without_the_axi_interconnect_gets_smartconnects(vivado: Vivado) -> None:
    done = vivado.build(version="2026.1")
    assert done.returncode == 0, done.log
    cells = read_graph(done.handoff, {}).cells
    assert cells["axi_mem_intercon"] == cells["control_intercon"]
    assert cells["axi_mem_intercon"].startswith("xilinx.com:ip:smartconnect:")


def test_a_zynq_7000_needs_no_board_files(vivado: Vivado) -> None:
    done = vivado.build(board_parts=[])
    assert done.returncode == 0, done.log
    system = parameters(done.handoff, "processing_system7")
    assert float(system["pcw_crystal_peripheral_freqmhz"]) == 50
    assert float(system["pcw_io_io_pll_freqmhz"]) == 1000


def test_an_ultrascale_has_no_design_without_board_files(vivado: Vivado) -> None:
    done = vivado.build("zcu102", board_parts=[])
    assert done.returncode == 1
    assert "this Vivado has no board files of xilinx.com:zcu102:part0:*" in done.log


def test_a_board_for_another_part_is_refused(vivado: Vivado) -> None:
    done = vivado.build("zcu102", board_device="xczu7ev-ffvc1156-2-e")
    assert done.returncode == 1
    assert "is for xczu7ev-ffvc1156-2-e" in done.log


@pytest.mark.parametrize("kind", ["pynq-z2", "zcu102"])
def test_the_clock_is_divided_from_the_boards_own_pll(vivado: Vivado, kind: str) -> None:
    done = vivado.build(kind, mhz=125.0)
    assert done.returncode == 0, done.log
    assert "asked for 125.000000 MHz" in done.log
    clocks = [net for net in read_graph(done.handoff, {}).nets if net[1].endswith("/aclk")]
    assert len(clocks) == 1


def test_a_clock_that_no_divider_makes_ends_the_build(vivado: Vivado) -> None:
    done = vivado.build(mhz=700.0)
    assert done.returncode == 1
    assert "the processing system makes 500.000000 MHz of 700.000000 MHz" in done.log
    found = diagnose(done.log.splitlines(), step="implement", tool="vivado", returncode=1)
    assert found is not None
    assert (found.signature, found.failure_class) == ("clock-not-made", "permanent")


def test_a_handoff_that_lies_in_the_platform_only_is_written_there(vivado: Vivado) -> None:
    done = vivado.build(platform=True)
    assert done.returncode == 0, done.log
    assert (done.directory / "design_1.xsa").exists()


class Change(NamedTuple):
    """A fault in one of our scripts.

    Attributes:
        said: what Vivado, or our own check of its handoff, says then.
        signature: what the diagnosis makes of it.
    """

    old: str
    new: str
    said: str
    signature: str
    script: str = "design.tcl"


CHANGES = {
    "an IP that this Vivado does not have": Change(
        "-vlnv $vlnv $name",
        "-vlnv [regsub axi_dma $vlnv axi_dmas] $name",
        "ERROR: [BD 5-390] IP definition not found for VLNV: xilinx.com:ip:axi_dmas:7.1",
        "bd-ip-version",
    ),
    "an IP that the catalogue does not list": Change(
        "cell axi_dma $name",
        "cell axi_dmas $name",
        "ERROR: [overlayflow] this Vivado has no IP axi_dmas",
        "design-ip",
    ),
    "a version that this Vivado does not have": Change(
        "-vlnv $vlnv $name",
        "-vlnv [regsub {7.1} $vlnv 7.2] $name",
        "ERROR: [BD 5-216] VLNV <xilinx.com:ip:axi_dma:7.2> is not supported",
        "bd-ip-version",
    ),
    "a version for no block design": Change(
        ' -all "xilinx.com:ip:$name:*" -filter {design_tool_contexts =~ *IPI*}',
        ' "xilinx.com:ip:$name:*"',
        "ERROR: [BD 5-313] Found unsupported IP 'xilinx.com:ip:axi_interconnect:1.7' in design.",
        "bd-ip-version",
    ),
    "a board that this Vivado does not know": Change(
        "set_property board_part $board",
        "set_property board_part tul.com.tw:pynq-z9:part0:1.0",
        "ERROR: [Board 49-71] The board_part definition was not found for tul.com.tw:pynq-z9",
        "board-files-missing",
        script="build.tcl",
    ),
    "a part that this Vivado does not know": Change(
        "-part $part -force",
        "-part xc7z099clg400-1 -force",
        "ERROR: [Coretcl 2-106] Specified part could not be found.",
        "part-missing",
        script="build.tcl",
    ),
    "a cell that is not there": Change(
        "[list [get_bd_cells $ps] $resets {*}$supplied]",
        "[get_bd_cells ps_1]",
        "ERROR: [BD 41-701] connect_bd_net requires at least two pins/ports",
        "bd-port-missing",
    ),
    "a clock pin left open": Change(
        "$resets {*}$supplied",
        "$resets $dma $registers $buffers",
        "ERROR: [BD 41-758] The following clock pins are not connected to a valid clock source: \n"
        "/hier_0/tiny_axi_0/aclk",
        "bd-clock-open",
    ),
    "a reset left open": Change(
        "inputs rst $supplied",
        "inputs rst [lrange $supplied 1 end]",
        "CRITICAL WARNING: [BD 41-759] The input pins (listed below)",
        "design-open",
    ),
    "two drivers of one clock": Change(
        "connect_bd_net [get_bd_pins $ps/$reset]",
        "connect_bd_net [get_bd_pins $ps/$reset] [get_bd_pins $ps/$clock]",
        "ERROR: [BD 5-4] Error: running connect_bd_net.",
        "bd-connection",
    ),
    "an interface that is not there": Change(
        "$top/s_axi_control",
        "$top/s_axi_AXILiteS",
        "WARNING: [BD 5-232] No interface pins matched 'get_bd_intf_pins "
        "tiny_axi_0/s_axi_AXILiteS'\nERROR: [BD 5-106]",
        "bd-port-missing",
    ),
    "the wrong direction": Change(
        "axi_dma_0/M_AXIS_MM2S $top/s_axis",
        "axi_dma_0/M_AXIS_MM2S $top/m_axis",
        "ERROR: [BD 41-171] The modes of the interface pins 'M_AXIS_MM2S'(Master) and "
        "'m_axis'(Master) are incompatible.",
        "bd-connection",
    ),
    "an interface connected twice": Change(
        "axi_dma_0/M_AXI_S2MM axi_mem",
        "axi_dma_0/M_AXI_MM2S axi_mem",
        "ERROR: [BD 5-3] Error: running connect_bd_intf_net.",
        "bd-connection",
    ),
    "a stream that leads nowhere": Change(
        "::overlayflow::join_interfaces $top/m_axis axi_dma_0/S_AXIS_S2MM",
        "",
        "ERROR: [overlayflow] S_AXIS_S2MM of axi_dma_0 is connected to nothing",
        "design-open",
    ),
    "memory that the DMA does not reach": Change(
        "::overlayflow::join_interfaces axi_mem_intercon/M00_AXI $ps/$memory",
        "",
        "ERROR: [overlayflow] no address leads to the memory that is read",
        "design-address",
    ),
    "addresses not assigned": Change(
        "    assign_bd_address\n",
        "",
        "CRITICAL WARNING: [BD 41-1356] Slave segment </hier_0/axi_dma_0/S_AXI_LITE/Reg> is not "
        "assigned into address space </processing_system7_0/Data>",
        "design-address",
    ),
    "a module in SystemVerilog": Change(
        "-reference ${project}_axi $top",
        "-reference axis_shell $top",
        "ERROR: [filemgmt 56-195] Reference 'axis_shell' contains top file",
        "bd-module",
    ),
    "a module that is not there": Change(
        "-reference ${project}_axi $top",
        "-reference ${project}_shell $top",
        "ERROR: [filemgmt 56-189] Failed to resolve reference.",
        "bd-module",
    ),
    "a parameter that is not there": Change(
        "CONFIG.c_include_sg 0",
        "CONFIG.c_includes_sg 0",
        "CRITICAL WARNING: [BD 41-1276] Cannot set the parameter c_includes_sg on /axi_dma_0.",
        "design-open",
    ),
    "no clock named for the streams": Change(
        "ASSOCIATED_BUSIF s_axis:m_axis:s_axi_control, ",
        "",
        "ERROR: [BD 41-237] Bus Interface property FREQ_HZ does not match",
        "bd-connection",
        script="tiny_axi.v",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_fault_in_the_design_ends_before_its_synthesis_and_is_diagnosed(
    vivado: Vivado, change: str
) -> None:
    old, new, said, signature, script = CHANGES[change]
    vivado.change(script, old, new)
    done = vivado.build(version="2024.1", mhz=125.0)
    assert said in done.log
    assert done.returncode == 1
    assert "Launched" not in done.log
    found = diagnose(done.log.splitlines(), step="implement", tool="vivado", returncode=1)
    assert found is not None
    assert found.signature == signature
    assert found.failure_class in ("permanent", "configuration")


def test_an_ultrascale_whose_clock_comes_from_another_pll_is_refused(vivado: Vivado) -> None:
    vivado.change("design.tcl", "REF_CTRL__SRCSEL IOPLL", "REF_CTRL__SRCSEL RPLL")
    done = vivado.build("zcu104")
    assert done.returncode == 1
    assert "the board's runs at 1499.985 MHz" in done.log


def test_a_bare_part_without_ethernet_would_divide_another_pll(vivado: Vivado) -> None:
    vivado.change("design.tcl", "PCW_ENET0_PERIPHERAL_ENABLE 1", "PCW_ENET0_PERIPHERAL_ENABLE 0")
    done = vivado.build(board_parts=[])
    assert done.returncode == 1
    assert "the board's runs at 1000 MHz" in done.log
