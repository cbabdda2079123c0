"""pynq's two parsers read from a .hwh what the driver, the runner and the clocks need."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import InputError, UnsupportedModelError
from tasks.hardware.clocks import check_clock, fabric_clock
from tasks.hardware.hwh_write import COUNTERS, write_hwh

BOARDS = {
    "zynq7000": ("xc7z020clg400-1", 0x4040_0000, 0x43C0_0000, "processing_system7_0"),
    "zynqmp": ("xczu9eg-ffvb1156-2-e", 0xA000_0000, 0xA001_0000, "zynq_ultra_ps_e_0"),
}
READ = """
import json, sys
from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser
from pynq.pl_server import hwh_parser
from pynqmetadata.frontends import Metadata
path, system = sys.argv[1:]
name = {"zynq7000": "_HWHZynq", "zynqmp": "_HWHUltrascale"}[system]
parsers = {
    "pynq": getattr(hwh_parser, name)(hwh_name=path),
    "pynqmetadata": RuntimeMetadataParser(Metadata(input=path)),
}
fields = ("ip_dict", "clock_dict", "hierarchy_dict", "interrupt_pins", "mem_dict")
print(json.dumps({
    parser: {field: getattr(found, field) for field in fields} for parser, found in parsers.items()
}, default=str))
"""


def clock_of(system: str) -> Any:
    return fabric_clock(system, 100.0)


@pytest.fixture(scope="module", params=BOARDS)
def parsed(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    board_python: Path,
) -> tuple[str, dict[str, Any]]:
    """The board's processing system, and what each parser made of a file for it."""
    system = request.param
    path = tmp_path_factory.mktemp(system) / "design.hwh"
    part = BOARDS[system][0]
    write_hwh(path, project_name="digits", part=part, system=system, clock=clock_of(system))
    answer = subprocess.run(
        [board_python, "-c", READ, path, system], check=True, capture_output=True, text=True
    ).stdout
    return system, json.loads(answer.splitlines()[-1])


@pytest.mark.parametrize("parser", ["pynq", "pynqmetadata"])
def test_dma_and_accelerator_stand_where_hls4ml_has_them(
    parsed: tuple[str, dict[str, Any]], parser: str
) -> None:
    system, found = parsed
    _, dma, accelerator, processing_system = BOARDS[system]
    ip = found[parser]["ip_dict"]
    assert ip.keys() == {"hier_0/axi_dma_0", "hier_0/digits_axi_0", processing_system}
    assert ip["hier_0/axi_dma_0"]["type"] == "xilinx.com:ip:axi_dma:7.1"
    for name, address in (("hier_0/axi_dma_0", dma), ("hier_0/digits_axi_0", accelerator)):
        assert ip[name]["phys_addr"] == address
        assert ip[name]["addr_range"] == 0x1_0000
    assert found[parser]["hierarchy_dict"]["hier_0"]["ip"].keys() == {"axi_dma_0", "digits_axi_0"}


@pytest.mark.parametrize("parser", ["pynq", "pynqmetadata"])
def test_the_dma_is_that_of_hls4mls_design(parsed: tuple[str, dict[str, Any]], parser: str) -> None:
    _, found = parsed
    parameters = found[parser]["ip_dict"]["hier_0/axi_dma_0"]["parameters"]
    expected = {
        "c_include_sg": "0",
        "c_sg_length_width": "26",
        "c_include_mm2s": "1",
        "c_include_s2mm": "1",
        "c_m_axis_mm2s_tdata_width": "32",
        "c_s_axis_s2mm_tdata_width": "32",
    }
    assert {name: parameters[name] for name in expected} == expected


@pytest.mark.parametrize("parser", ["pynq", "pynqmetadata"])
def test_the_counters_have_names(parsed: tuple[str, dict[str, Any]], parser: str) -> None:
    _, found = parsed
    registers = found[parser]["ip_dict"]["hier_0/digits_axi_0"]["registers"]
    assert {name: register["address_offset"] for name, register in registers.items()} == {
        register.name: register.offset for register in COUNTERS
    }


@pytest.mark.parametrize("parser", ["pynq", "pynqmetadata"])
def test_only_the_fabrics_clock_runs(parsed: tuple[str, dict[str, Any]], parser: str) -> None:
    system, found = parsed
    clocks = found[parser]["clock_dict"]
    clock = clock_of(system)
    assert [clocks[str(index)]["enable"] for index in range(4)] == [1, 0, 0, 0]
    assert (clocks["0"]["divisor0"], clocks["0"]["divisor1"]) == (clock.divisor0, clock.divisor1)


@pytest.mark.parametrize(
    ("system", "asked_mhz", "mhz"),
    [
        ("zynq7000", 100.0, 100.0),
        ("zynq7000", 150.0, 142.857143),
        ("zynq7000", 1000 / 7, 142.857143),
        ("zynq7000", 250.0, 250.0),
        ("zynqmp", 100.0, 99.999),
        ("zynqmp", 99.99, 99.999),
    ],
)
def test_the_clock_is_the_fastest_not_above_the_asked_one(
    system: str, asked_mhz: float, mhz: float
) -> None:
    assert fabric_clock(system, asked_mhz).mhz == pytest.approx(mhz, abs=1e-6)


@given(st.floats(min_value=0.3, max_value=250.0))
def test_every_clock_is_made_by_dividers_that_exist(asked_mhz: float) -> None:
    clock = fabric_clock("zynq7000", asked_mhz)
    assert 1 <= clock.divisor1 <= clock.divisor0 <= 63
    assert clock.mhz == pytest.approx(1000 / (clock.divisor0 * clock.divisor1), abs=1e-6)
    assert clock.mhz <= asked_mhz * 1.0001 + 1e-6


@pytest.mark.parametrize("asked_mhz", [0.1, 251.0, float("nan"), -5.0])
def test_a_clock_out_of_reach_is_refused(asked_mhz: float) -> None:
    with pytest.raises(InputError, match=r"is not between 0\.25 and 250"):
        fabric_clock("zynq7000", asked_mhz)


@pytest.mark.parametrize(
    ("system", "period_ns", "remedy"),
    [
        ("zynq7000", 12.5, "choose 12 ns (83.3333 MHz) or 13 ns (76.9231 MHz)"),
        ("zynq7000", 4.5, "choose 4 ns (250 MHz) or 5 ns (200 MHz)"),
        ("zynqmp", 3.1, "choose 3.33337 ns (299.997 MHz)"),
    ],
)
def test_a_clock_between_those_that_can_be_made_is_refused_with_the_nearest(
    system: str, period_ns: float, remedy: str
) -> None:
    with pytest.raises(InputError) as refused:
        check_clock(system, period_ns)
    assert refused.value.remedy == remedy
    for word in remedy.split()[1::5]:
        check_clock(system, float(word))


@given(st.integers(min_value=4, max_value=63), st.integers(min_value=1, max_value=63))
def test_every_clock_that_the_dividers_make_is_taken(divisor0: int, divisor1: int) -> None:
    period_ns = float(divisor0 * divisor1)
    check_clock("zynq7000", period_ns)
    made = fabric_clock("zynq7000", 1000 / period_ns)
    assert made.divisor0 * made.divisor1 == period_ns  # of a PLL at 1000 MHz


def test_a_board_without_such_a_system_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="'x86'"):
        fabric_clock("x86", 100.0)


def test_the_same_design_gives_the_same_file(tmp_path: Path) -> None:
    texts = set()
    for name in ("a.hwh", "b.hwh"):
        path = write_hwh(
            tmp_path / name,
            project_name="digits",
            part="xc7z020clg400-1",
            system="zynq7000",
            clock=clock_of("zynq7000"),
        )
        texts.add(path.read_text())
    assert len(texts) == 1
