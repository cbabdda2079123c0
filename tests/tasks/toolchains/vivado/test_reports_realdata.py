"""Real reports of Vivado HLS, Vitis HLS and Vivado read as their index states."""

import re

import pytest

from tasks.core.records.design import Resources
from tasks.toolchains.vivado.reports import (
    read_csynth,
    read_hierarchy,
    read_power,
    read_route_status,
    read_timing,
    read_utilisation,
    read_vivado_synth,
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


def device(part: str) -> str:
    """A part's name without what the kinds of reports write differently."""
    return part.removeprefix("xc").replace("-", "")


@pytest.mark.parametrize("entry", reports(r"csynth\.xml$"), ids=str)
def test_estimates_equal_the_index(entry: Entry) -> None:
    report = read_csynth(entry.path)
    used = report.utilisation.used
    assert f"HLS {report.tool_version}" == entry.tool
    assert (report.top, report.part) == (entry.value("top"), entry.value("part"))
    cycles = f"{report.latency_min_cycles}..{report.latency_max_cycles} cyc"
    assert cycles == entry.value("latency")
    assert f"{report.interval_min_cycles}..{report.interval_max_cycles}" == entry.value("II")
    clocks = f"{report.clock_target_ns:.2f}/{report.clock_estimated_ns:.3f} ns"
    assert clocks == entry.value("clk target/est")
    dsp = entry.value("DSP48E") or entry.value("DSP")
    assert [used.lut, used.ff, used.dsp, used.uram, 2 * used.bram_36k] == [
        *(entry.number("LUT"), entry.number("FF"), float(dsp or "nan"), entry.number("URAM")),
        entry.number("BRAM_18K"),
    ]
    assert report.utilisation.stage == "estimated"


@pytest.mark.parametrize(
    "entry", reports(r"(?<!clock)_utilization_(synth|placed)\.rpt$|^vivado_synth\.rpt$"), ids=str
)
def test_utilisation_equals_the_index(entry: Entry) -> None:
    read = read_vivado_synth if entry.path.name == "vivado_synth.rpt" else read_utilisation
    report = read(entry.path)
    used = report.utilisation.used
    assert report.header.tool.startswith(entry.tool)
    assert report.header.design == entry.value("design")
    assert report.header.device == entry.value("part")
    assert report.header.state == entry.value("state")
    assert (report.utilisation.stage == "placed") == ("Placed" in entry.stated)
    assert (used.lut, used.ff, used.bram_36k, used.dsp) == (
        *(entry.number("LUT"), entry.number("FF")),
        *(entry.number("BRAM"), entry.number("DSP")),
    )
    assert entry.value("URAM") in (None, str(used.uram))


@pytest.mark.parametrize("entry", reports(r"_timing_summary_routed\.rpt$"), ids=str)
def test_timing_equals_the_index(entry: Entry) -> None:
    report = read_timing(entry.path)
    setup, hold = report.setup, report.hold
    assert (setup.worst_ns, setup.total_ns, hold.worst_ns, hold.total_ns) == tuple(
        entry.number(name) for name in ("WNS", "TNS", "WHS", "THS")
    )
    assert report.verdict == VERDICTS[entry.value("verdict") or ""]
    assert (report.setup.failing_endpoints > 0) == (entry.number("WNS") < 0)
    assert report.header.device == entry.value("part")
    for clock in report.clocks:
        # Both are rounded to three decimals.
        assert clock.frequency_mhz == pytest.approx(1e3 / clock.period_ns, rel=1e-3)


@pytest.mark.parametrize("entry", reports(r"_power_routed\.rpt$"), ids=str)
def test_power_equals_the_index(entry: Entry) -> None:
    report = read_power(entry.path)
    assert (report.total_w, report.dynamic_w, report.static_w) == tuple(
        entry.number(name) for name in ("Power_W", "Dynamic_W", "Static_W")
    )
    assert report.confidence in ("Low", "Medium", "High")


@pytest.mark.parametrize("entry", reports(r"_route_status\.rpt$"), ids=str)
def test_route_status_equals_the_index(entry: Entry) -> None:
    report = read_route_status(entry.path)
    assert report.nets_with_errors == entry.number("route_errors")
    assert report.routed


@pytest.mark.parametrize("entry", reports(r"^util\.rpt$"), ids=str)
def test_hierarchy_adds_up_to_the_placed_design(entry: Entry) -> None:
    report = read_hierarchy(entry.path)
    [placed] = entry.path.parent.rglob("design_1_wrapper_utilization_placed.rpt")
    assert report.header.state == entry.value("state")
    assert report.instances[0].used == read_utilisation(placed).utilisation.used.model_copy(
        update={"carry4": 0}
    )
    assert {"design_1_wrapper/design_1_i/hier_0/myproject_axi_0"} <= {
        instance.path for instance in report.instances
    }


@pytest.mark.skipif(not index(), reason="no real data beside the repository")
def test_a_routed_pynq_design_reads_in_full() -> None:
    runs = next(REALDATA.glob("Hector*")).rglob("impl_1/design_1_wrapper_*")
    reports = {path.name.removeprefix("design_1_wrapper_"): path for path in runs}
    timing = read_timing(reports["timing_summary_routed.rpt"])
    assert [(clock.name, clock.period_ns) for clock in timing.clocks] == [("clk_fpga_0", 10.0)]
    assert (timing.pulse_width.worst_ns, timing.pulse_width.total_ns) == (3.75, 0.0)
    placed = read_utilisation(reports["utilization_placed.rpt"])
    assert placed.utilisation.available == Resources(
        lut=53200, ff=106400, dsp=220, bram_36k=140, carry4=13300
    )
    assert placed.utilisation.used.carry4 == 4372
    names = {device(read_power(reports["power_routed.rpt"]).header.device)} | {
        device(placed.header.device)
    }
    assert names == {"7z020clg4001"}
