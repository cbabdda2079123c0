"""The block design that our Tcl makes, in every version of Vivado, and what Vivado refuses."""

import pytest

from board.kinds import board_kinds
from tests.tasks.toolchains.vivado.conftest import Vivado
from tests.tasks.toolchains.vivado.designs import parameters, read_graph

VERSIONS = ("2019.1", "2020.1", "2020.2", "2022.2", "2024.1", "2025.1")
ZYNQ = [name for name, kind in board_kinds().items() if kind.vivado_board]


@pytest.mark.parametrize("kind", ZYNQ)
def test_every_kind_gets_a_design_on_its_own_part(vivado: Vivado, kind: str) -> None:
    done = vivado.build(kind, "2024.1")
    assert done.returncode == 0, done.log
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


def test_a_handoff_that_lies_in_the_platform_only_is_written_there(vivado: Vivado) -> None:
    done = vivado.build(platform=True)
    assert done.returncode == 0, done.log
    assert (done.directory / "design_1.xsa").exists()


# What is changed in our scripts or sources, and what Vivado, or our own check, says then.
CHANGES = {
    "an IP that this Vivado does not have": (
        *("design.tcl", "cell axi_dma $name", "cell axi_dmas $name"),
        "ERROR: [overlayflow] this Vivado has no IP axi_dmas",
    ),
    "a version that this Vivado does not have": (
        *("design.tcl", "-vlnv $vlnv $name", "-vlnv [regsub {7.1} $vlnv 7.2] $name"),
        "ERROR: [BD 5-216] VLNV <xilinx.com:ip:axi_dma:7.2> is not supported",
    ),
    "a version for no block design": (
        *("design.tcl", ' -all "xilinx.com:ip:$name:*" -filter {design_tool_contexts =~ *IPI*}'),
        ' "xilinx.com:ip:$name:*"',
        "ERROR: [BD 5-313] Found unsupported IP 'xilinx.com:ip:axi_interconnect:1.7' in design.",
    ),
    "a clock pin left open": (
        *("design.tcl", "$resets {*}$supplied", "$resets $dma $registers $buffers"),
        (
            "ERROR: [BD 41-758] The following clock pins are not connected to a valid clock "
            "source: \n"
            "/hier_0/tiny_axi_0/aclk"
        ),
    ),
    "a reset left open": (
        *("design.tcl", "inputs rst $supplied", "inputs rst [lrange $supplied 1 end]"),
        "CRITICAL WARNING: [BD 41-759] The input pins (listed below)",
    ),
    "two drivers of one clock": (
        *("design.tcl", "connect_bd_net [get_bd_pins $ps/$reset]"),
        "connect_bd_net [get_bd_pins $ps/$reset] [get_bd_pins $ps/$clock]",
        "ERROR: [BD 5-4] Error: running connect_bd_net.",
    ),
    "an interface that is not there": (
        *("design.tcl", "$top/s_axi_control", "$top/s_axi_AXILiteS"),
        (
            "WARNING: [BD 5-232] No interface pins matched 'get_bd_intf_pins "
            "tiny_axi_0/s_axi_AXILiteS'\nERROR: [BD 5-106]"
        ),
    ),
    "the wrong direction": (
        *("design.tcl", "axi_dma_0/M_AXIS_MM2S $top/s_axis", "axi_dma_0/M_AXIS_MM2S $top/m_axis"),
        (
            "ERROR: [BD 41-171] The modes of the interface pins 'M_AXIS_MM2S'(Master) and "
            "'m_axis'(Master) are incompatible."
        ),
    ),
    "an interface connected twice": (
        *("design.tcl", "axi_dma_0/M_AXI_S2MM axi_mem", "axi_dma_0/M_AXI_MM2S axi_mem"),
        "ERROR: [BD 5-3] Error: running connect_bd_intf_net.",
    ),
    "addresses not assigned": (
        *("design.tcl", "    assign_bd_address\n", ""),
        (
            "CRITICAL WARNING: [BD 41-1356] Slave segment </hier_0/axi_dma_0/S_AXI_LITE/Reg> is "
            "not assigned into address space </processing_system7_0/Data>"
        ),
    ),
    "memory that the DMA does not reach": (
        *("design.tcl", "::overlayflow::join_interfaces axi_mem_intercon/M00_AXI $ps/$memory", ""),
        "ERROR: [overlayflow] no address leads to the memory that is read",
    ),
    "a module in SystemVerilog": (
        *("design.tcl", "-reference ${project}_axi $top", "-reference axis_shell $top"),
        "ERROR: [filemgmt 56-195] Reference 'axis_shell' contains top file",
    ),
    "a module that is not there": (
        *("design.tcl", "-reference ${project}_axi $top", "-reference ${project}_shell $top"),
        "ERROR: [filemgmt 56-189] Failed to resolve reference.",
    ),
    "a parameter that is not there": (
        *("design.tcl", "CONFIG.c_include_sg 0", "CONFIG.c_includes_sg 0"),
        "CRITICAL WARNING: [BD 41-1276] Cannot set the parameter c_includes_sg on /axi_dma_0.",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_vivado_refuses_or_warns_of_is_refused_here(vivado: Vivado, change: str) -> None:
    script, old, new, said = CHANGES[change]
    vivado.change(script, old, new)
    done = vivado.build(version="2024.1")
    assert said in done.log
    assert done.returncode == 1 or "CRITICAL WARNING" in said


def test_a_design_whose_registers_have_no_address_ends_before_its_synthesis(
    vivado: Vivado,
) -> None:
    vivado.change("design.tcl", "    assign_bd_address\n", "")
    done = vivado.build()
    assert done.returncode == 1
    assert "ERROR: [overlayflow] no address leads to the registers of the DMA" in done.log
    assert "Launched" not in done.log


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


def test_streams_that_no_clock_is_named_for_pass_for_100_mhz(vivado: Vivado) -> None:
    vivado.change("tiny_axi.v", "ASSOCIATED_BUSIF s_axis:m_axis:s_axi_control, ", "")
    done = vivado.build(mhz=125.0)
    assert done.returncode == 1
    assert "CRITICAL WARNING: [BD 41-967] AXI interface pin /hier_0/tiny_axi_0/" in done.log
    assert "ERROR: [BD 41-237] Bus Interface property FREQ_HZ does not match" in done.log
