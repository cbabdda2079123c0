"""Promises of tasks/toolchains/vivado/reports/, on small reports in the tools' formats."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import InputError
from tasks.core.records.base import Record
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
from tasks.toolchains.vivado.reports.text import count, decimal, tables

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "vivado"
READERS: dict[str, Callable[[Path], Record]] = {
    "csynth_vivado_hls.xml": read_csynth,
    "csynth_vitis_hls.xml": read_csynth,
    "utilization_placed_7series.rpt": read_utilisation,
    "utilization_synth_ultrascale.rpt": read_vivado_synth,
    "utilization_hierarchical.rpt": read_hierarchy,
    "timing_summary_met.rpt": read_timing,
    "timing_summary_missed.rpt": read_timing,
    "timing_summary_unconstrained.rpt": read_timing,
    "power_routed.rpt": read_power,
    "route_status.rpt": read_route_status,
}
cells = st.text(st.characters(exclude_categories=["C", "Z"], include_characters="| +-"), max_size=8)


def altered(tmp_path: Path, name: str, old: str, new: str) -> Path:
    """A copy of a report with one text replaced, whatever the spaces in it."""
    pattern = r" +".join(map(re.escape, old.split(" ")))
    text, hits = re.subn(pattern, lambda _: new, (FIXTURES / name).read_text(encoding="utf-8"))
    assert hits, old
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_vivado_hls_estimate() -> None:
    report = read_csynth(FIXTURES / "csynth_vivado_hls.xml")
    assert (report.tool_version, report.top) == ("2020.1", "tiny_axi")
    assert (report.clock_target_ns, report.clock_uncertainty_ns) == (10.0, 1.25)
    assert (report.latency_min_cycles, report.latency_max_cycles) == (0, 80)
    assert (report.interval_min_cycles, report.interval_max_cycles) == (1, 81)
    assert report.utilisation.stage == "estimated"
    assert report.utilisation.used == Resources(lut=3300, ff=2100, dsp=7, bram_36k=2.5)
    assert report.utilisation.available == Resources(lut=53200, ff=106400, dsp=220, bram_36k=140)
    assert report.modules == ()


def test_vitis_hls_estimate_with_modules_and_without_known_cycles() -> None:
    report = read_csynth(FIXTURES / "csynth_vitis_hls.xml")
    assert (report.tool_version, report.part) == ("2025.1", "xczu9eg-ffvb1156-2-e")
    assert report.latency_min_cycles is report.latency_max_cycles is None
    assert report.interval_min_cycles is report.interval_max_cycles is None
    assert report.utilisation.used == Resources(lut=900, ff=200, dsp=6, bram_36k=1, uram=1)
    assert list(report.utilisation.by_module.items()) == [
        ("dense_config2", 640),
        ("softmax_config4", 140),
        ("relu_config3", 120),
    ]
    relu, dense, softmax = report.modules
    assert (relu.interval_min_cycles, relu.clock_estimated_ns) == (1, 1.2)
    assert (dense.interval_min_cycles, dense.interval_max_cycles) == (1, 3)
    assert (dense.latency_min_cycles, dense.latency_max_cycles) == (3, 9)
    assert softmax.latency_min_cycles is softmax.clock_estimated_ns is None


def test_utilisation_of_a_placed_series_7_design() -> None:
    report = read_utilisation(FIXTURES / "utilization_placed_7series.rpt")
    assert report.header.design == "design_1_wrapper"
    assert report.header.tool.startswith("Vivado v.2019.2 ")
    assert report.utilisation.stage == "placed"
    assert report.utilisation.used == Resources(lut=4321, ff=5678, dsp=12, bram_36k=2.5, carry4=345)
    assert report.utilisation.available.carry4 == 13300


def test_utilisation_of_a_synthesised_ultrascale_design() -> None:
    report = read_vivado_synth(FIXTURES / "utilization_synth_ultrascale.rpt")
    assert report.utilisation.stage == "synthesised"
    assert report.utilisation.used == Resources(lut=34567, ff=23456, dsp=640, bram_36k=17.5, uram=3)
    assert report.utilisation.available == Resources(
        lut=274080, ff=548160, dsp=2520, bram_36k=912, uram=80
    )


def test_placed_figures_are_not_taken_for_synthesised_ones() -> None:
    with pytest.raises(InputError, match="Fully Placed"):
        read_vivado_synth(FIXTURES / "utilization_placed_7series.rpt")


def test_hierarchy_keeps_names_with_bars_and_leaves_out_own_logic() -> None:
    instances = read_hierarchy(FIXTURES / "utilization_hierarchical.rpt").instances
    assert [(instance.path, instance.depth) for instance in instances] == [
        ("design_1_wrapper", 0),
        ("design_1_wrapper/hier_0", 1),
        ("design_1_wrapper/hier_0/gen|odd (name)", 2),
        ("design_1_wrapper/axi_dma_0", 1),
    ]
    assert instances[2].module == "core | odd"
    assert instances[2].used == Resources(lut=3500, ff=4000, dsp=12, bram_36k=0.5)


def test_a_slack_of_zero_is_a_slack() -> None:
    report = read_timing(FIXTURES / "timing_summary_met.rpt")
    assert (report.setup.worst_ns, report.setup.total_ns) == (0.0, 0.0)
    assert (report.hold.worst_ns, report.pulse_width.worst_ns) == (0.012, 3.75)
    assert report.verdict == "met"
    assert [(clock.name, clock.period_ns, clock.frequency_mhz) for clock in report.clocks] == [
        ("clk_fpga_0", 10.0, 100.0),
        ("clk_out1_design_1_x", 5.0, 200.0),
    ]


def test_missed_timing() -> None:
    report = read_timing(FIXTURES / "timing_summary_missed.rpt")
    assert report.verdict == "violated"
    assert (report.setup.worst_ns, report.setup.total_ns) == (-1.25, -37.5)
    assert (report.setup.failing_endpoints, report.setup.endpoints) == (42, 4600)
    assert (report.hold.worst_ns, report.hold.failing_endpoints) == (-0.031, 3)
    assert (report.pulse_width.worst_ns, report.pulse_width.failing_endpoints) == (-0.004, 1)
    assert [clock.name for clock in report.clocks] == ["clk|fpga 0"]


def test_timing_that_nothing_constrains_has_no_slack() -> None:
    report = read_timing(FIXTURES / "timing_summary_unconstrained.rpt")
    assert report.verdict == "unconstrained"
    assert report.setup.worst_ns is report.pulse_width.worst_ns is report.setup.total_ns is None
    assert (report.setup.endpoints, report.pulse_width.endpoints) == (271, 0)
    assert report.clocks == ()


def test_power_is_the_table_of_the_summary(tmp_path: Path) -> None:
    report = read_power(FIXTURES / "power_routed.rpt")
    assert (report.total_w, report.dynamic_w, report.static_w) == (1.625, 1.48, 0.145)
    assert report.confidence == "Medium"
    hot = altered(
        tmp_path,
        "power_routed.rpt",
        "| Total On-Chip Power (W) | 1.625 |",
        "| Total On-Chip Power (W)  | 99.9 (hot!)  |",
    )
    assert read_power(hot).total_w == 99.9


def test_routed_means_every_net_without_errors(tmp_path: Path) -> None:
    report = read_route_status(FIXTURES / "route_status.rpt")
    assert (report.logical_nets, report.routable_nets, report.nets_with_errors) == (12345, 8345, 0)
    assert report.routed
    unrouted = altered(
        tmp_path, "route_status.rpt", "routing errors.......... : 0", "routing errors : 7"
    )
    assert not read_route_status(unrouted).routed
    partly = altered(
        tmp_path, "route_status.rpt", "routed nets............. : 8345", "routed nets : 8340"
    )
    assert not read_route_status(partly).routed


@pytest.mark.parametrize(
    ("name", "old", "new", "named"),
    [
        ("csynth_vivado_hls.xml", "<LUT>3300</LUT>", "", "LUT"),
        ("csynth_vivado_hls.xml", "<LUT>3300</LUT>", "<LUT>n/a</LUT>", "LUT"),
        ("csynth_vivado_hls.xml", "<DSP48E>", "<DSP49>", "mismatched tag"),
        ("csynth_vivado_hls.xml", "8.510", "nan", "EstimatedClockPeriod"),
        ("csynth_vivado_hls.xml", "<Best-caseLatency>0</Best-caseLatency>", "", "Best-case"),
        ("utilization_placed_7series.rpt", "| DSPs |", "| XSPs |", "'DSPs'"),
        ("utilization_placed_7series.rpt", "4321 |", "n/a  |", "'Slice LUTs' or 'CLB LUTs'"),
        ("utilization_placed_7series.rpt", "Fully Placed", "Quite Mad", "Quite Mad"),
        ("utilization_placed_7series.rpt", "| Design :", "| Dessin       :", "'Design'"),
        ("utilization_placed_7series.rpt", "Site Type", "Sort Type", "'Site Type'"),
        ("utilization_hierarchical.rpt", "4000(7.52%)", "-          ", "hier_0"),
        ("utilization_hierarchical.rpt", "| Module |", "| Modula |", "instances"),
        ("timing_summary_met.rpt", "All user specified", "Some user specified", "verdict"),
        ("timing_summary_met.rpt", "3.750", "", "row of slacks"),
        ("timing_summary_met.rpt", "3.750", "n/a", "n/a"),
        ("timing_summary_met.rpt", "| Clock Summary", "| Clog Summary", "Clock Summary"),
        ("timing_summary_met.rpt", "| Design Timing Summary", "| Gone", "Design Timing Summary"),
        ("power_routed.rpt", "| Confidence Level |", "| Confusion Level          |", "confidence"),
        ("power_routed.rpt", "| 1.480 |", "| NA           |", "Dynamic"),
        ("power_routed.rpt", "| Total On-Chip", "| Total Off-Chip", "summary"),
        ("route_status.rpt", "routing errors", "routing terrors", "nets with routing errors"),
    ],
)
def test_what_is_missing_or_no_number_is_named_with_the_file(
    tmp_path: Path, name: str, old: str, new: str, named: str
) -> None:
    path = altered(tmp_path, name, old, new)
    with pytest.raises(InputError, match=re.escape(named)) as caught:
        READERS[name](path)
    assert caught.value.where == str(path)
    assert caught.value.remedy


@pytest.mark.parametrize("name", READERS)
def test_a_report_cut_off_anywhere_reads_in_full_or_not_at_all(tmp_path: Path, name: str) -> None:
    whole = READERS[name](FIXTURES / name)
    text = (FIXTURES / name).read_text(encoding="utf-8")
    path = tmp_path / name
    for end in range(0, len(text), max(1, len(text) // 60)):
        path.write_text(text[:end], encoding="utf-8")
        try:
            part = READERS[name](path)
        except InputError:
            continue
        assert part == whole


@pytest.mark.parametrize("name", READERS)
def test_a_report_that_is_not_there_is_one_message(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no such file") as caught:
        READERS[name](tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_bytes_that_are_no_report_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(InputError):
        READERS[name](path)


@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5))
def test_a_table_gives_back_what_was_put_into_it(rows: list[list[str]]) -> None:
    widths = [max([len("head"), *(len(row[column]) for row in rows)]) for column in (0, 1)]
    rule = "".join(f"+{'-' * (width + 2)}" for width in widths) + "+"
    header, *body = [
        "".join(f"| {cell:<{width}} " for cell, width in zip(row, widths, strict=True)) + "|"
        for row in [["head", "tail"], *rows]
    ]
    # Vivado closes a table without rows with the rule below its header.
    drawn = [rule, header, rule, *body, *([rule] if body else [])]
    [table] = tables("\n".join(["| prose |", *drawn, "", "tail |"]))
    assert table.header == ("head", "tail")
    assert table.rows == tuple(tuple(cell.rstrip() for cell in row) for row in rows)


@given(st.text("+-| a\n", max_size=200))
def test_no_text_breaks_the_reader_of_tables(text: str) -> None:
    for table in tables(text):
        assert table.header or table.rows


def test_a_design_without_primitives_has_no_carries(tmp_path: Path) -> None:
    text = (FIXTURES / "utilization_placed_7series.rpt").read_text(encoding="utf-8")
    rows = re.compile(r"(\| Ref Name .*\n.*\n)(?:\|.*\n)+.*\n")
    path = tmp_path / "utilization.rpt"
    path.write_text(rows.sub(r"\1\n", text), encoding="utf-8")
    assert read_utilisation(path).utilisation.used.carry4 == 0


@given(st.integers(min_value=0, max_value=10**9))
def test_counts_are_read_as_written(value: int) -> None:
    assert count(f" {value} ") == value
    assert decimal(f"{value}.250") == value + 0.25
    assert decimal(f"-{value}.5") == -value - 0.5


@pytest.mark.parametrize("cell", ["", "NA", "-", "inf", "nan", "1e3", "1,000", "0x10", "n/a", "_"])
def test_what_is_no_figure_is_none(cell: str) -> None:
    assert count(cell) is None
    assert decimal(cell) is None
