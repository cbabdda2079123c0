"""Real reports of Vivado HLS, Vitis HLS and Vivado read as their index states."""

import re

import pytest

from tasks.core.records.design import Resources
from tasks.toolchains.vivado.reports import (
    read_csynth,
    read_failed_nets,
    read_hierarchy,
    read_power_w,
    read_timing,
    read_utilisation,
)
from tests.tasks.toolchains.vivado.realdata import REALDATA, Entry, index

VERDICTS = {
    "All user specified timing constraints are met": "met",
    "Timing constraints are not met": "violated",
}


def reports(pattern: str) -> list[Entry]:
    found = [entry for entry in index() if re.search(pattern, entry.path.name)]
    assert found or not index(), pattern
    return found


@pytest.mark.parametrize("entry", reports(r"csynth\.xml$"), ids=str)
def test_estimates_equal_the_index(entry: Entry) -> None:
    report = read_csynth(entry.path)
    assert (entry.value("latency") or "").endswith(f"..{report.latency_cycles} cyc")
    assert (entry.value("II") or "").endswith(f"..{report.interval_cycles}")
    used, dsp = report.used, entry.value("DSP48E") or entry.value("DSP")
    assert [used.lut, used.ff, used.dsp, used.uram, 2 * used.bram_36k] == [
        *(entry.number("LUT"), entry.number("FF"), float(dsp or "nan"), entry.number("URAM")),
        entry.number("BRAM_18K"),
    ]


@pytest.mark.parametrize(
    "entry", reports(r"(?<!clock)_utilization_(synth|placed)\.rpt$|^vivado_synth\.rpt$"), ids=str
)
def test_utilisation_equals_the_index(entry: Entry) -> None:
    found = read_utilisation(entry.path)
    assert (found.stage == "placed") == ("Placed" in entry.stated)
    assert (found.used.lut, found.used.ff, found.used.bram_36k, found.used.dsp) == (
        *(entry.number("LUT"), entry.number("FF")),
        *(entry.number("BRAM"), entry.number("DSP")),
    )
    assert entry.value("URAM") in (None, str(found.used.uram))


@pytest.mark.parametrize("entry", reports(r"_timing_summary_routed\.rpt$"), ids=str)
def test_timing_equals_the_index(entry: Entry) -> None:
    report = read_timing(entry.path)
    assert (report.setup_ns, report.hold_ns) == (entry.number("WNS"), entry.number("WHS"))
    assert report.verdict == VERDICTS[entry.value("verdict") or ""]


@pytest.mark.parametrize("entry", reports(r"_power_routed\.rpt$"), ids=str)
def test_power_equals_the_index(entry: Entry) -> None:
    assert read_power_w(entry.path) == entry.number("Power_W")


@pytest.mark.parametrize("entry", reports(r"_route_status\.rpt$"), ids=str)
def test_route_status_equals_the_index(entry: Entry) -> None:
    assert read_failed_nets(entry.path) == entry.number("route_errors")


@pytest.mark.parametrize("entry", reports(r"^util\.rpt$"), ids=str)
def test_hierarchy_adds_up_to_the_placed_design(entry: Entry) -> None:
    instances = read_hierarchy(entry.path)
    [placed] = entry.path.parent.rglob("design_1_wrapper_utilization_placed.rpt")
    assert instances[0].lut == read_utilisation(placed).used.lut
    core = "design_1_wrapper/design_1_i/hier_0/myproject_axi_0"
    assert core in {instance.path for instance in instances}


@pytest.mark.skipif(not index(), reason="no real data beside the repository")
def test_a_routed_pynq_design_reads_in_full() -> None:
    runs = next(REALDATA.glob("Hector*")).rglob("impl_1/design_1_wrapper_*")
    reports = {path.name.removeprefix("design_1_wrapper_"): path for path in runs}
    timing = read_timing(reports["timing_summary_routed.rpt"])
    assert timing.clocks_mhz == {"clk_fpga_0": 100.0}
    assert timing.pulse_width_ns == 3.75
    placed = read_utilisation(reports["utilization_placed.rpt"])
    assert placed.available == Resources(lut=53200, ff=106400, dsp=220, bram_36k=140, carry4=13300)
    assert placed.used.carry4 == 4372
