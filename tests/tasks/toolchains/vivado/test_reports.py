"""Promises of tasks/toolchains/vivado/reports/, on small reports in the tools' formats."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import InputError
from tasks.core.records.design import Resources
from tasks.toolchains.vivado.reports import (
    read_csynth,
    read_failed_nets,
    read_hierarchy,
    read_power_w,
    read_timing,
    read_utilisation,
)
from tasks.toolchains.vivado.reports.text import count, decimal, tables

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "vivado"
READERS: dict[str, Callable[[Path], object]] = {
    "csynth_vivado_hls.xml": read_csynth,
    "csynth_vitis_hls.xml": read_csynth,
    "utilization_placed_7series.rpt": read_utilisation,
    "utilization_synth_ultrascale.rpt": read_utilisation,
    "utilization_hierarchical.rpt": read_hierarchy,
    "timing_summary_met.rpt": read_timing,
    "timing_summary_missed.rpt": read_timing,
    "timing_summary_unconstrained.rpt": read_timing,
    "power_routed.rpt": read_power_w,
    "route_status.rpt": read_failed_nets,
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
    assert (report.latency_cycles, report.interval_cycles) == (80, 81)
    assert report.used == Resources(lut=3300, ff=2100, dsp=7, bram_36k=2.5)


def test_vitis_hls_estimate_without_known_cycles() -> None:
    report = read_csynth(FIXTURES / "csynth_vitis_hls.xml")
    assert report.latency_cycles is report.interval_cycles is None
    assert report.used == Resources(lut=900, ff=200, dsp=6, bram_36k=1, uram=1)


def test_utilisation_of_a_placed_series_7_design() -> None:
    found = read_utilisation(FIXTURES / "utilization_placed_7series.rpt")
    assert found.stage == "placed"
    assert found.used == Resources(lut=4321, ff=5678, dsp=12, bram_36k=2.5, carry4=345)
    assert found.available.carry4 == 13300


def test_utilisation_of_a_synthesised_ultrascale_design() -> None:
    found = read_utilisation(FIXTURES / "utilization_synth_ultrascale.rpt")
    assert found.stage == "synthesised"
    assert found.used == Resources(lut=34567, ff=23456, dsp=640, bram_36k=17.5, uram=3)
    assert found.available == Resources(lut=274080, ff=548160, dsp=2520, bram_36k=912, uram=80)


def test_hierarchy_keeps_names_with_bars_and_leaves_out_own_logic() -> None:
    instances = read_hierarchy(FIXTURES / "utilization_hierarchical.rpt")
    assert [(instance.path, instance.depth) for instance in instances] == [
        ("design_1_wrapper", 0),
        ("design_1_wrapper/hier_0", 1),
        ("design_1_wrapper/hier_0/gen|odd (name)", 2),
        ("design_1_wrapper/axi_dma_0", 1),
    ]
    assert instances[2].lut == 3500


def test_a_slack_of_zero_is_a_slack() -> None:
    report = read_timing(FIXTURES / "timing_summary_met.rpt")
    assert (report.setup_ns, report.hold_ns, report.pulse_width_ns) == (0.0, 0.012, 3.75)
    assert report.verdict == "met"
    assert report.clocks_mhz == {"clk_fpga_0": 100.0, "clk_out1_design_1_x": 200.0}


def test_missed_timing() -> None:
    report = read_timing(FIXTURES / "timing_summary_missed.rpt")
    assert report.verdict == "violated"
    assert (report.setup_ns, report.hold_ns, report.pulse_width_ns) == (-1.25, -0.031, -0.004)
    assert list(report.clocks_mhz) == ["clk|fpga 0"]


def test_timing_that_nothing_constrains_has_no_slack() -> None:
    report = read_timing(FIXTURES / "timing_summary_unconstrained.rpt")
    assert report.verdict == "unconstrained"
    assert report.setup_ns is report.pulse_width_ns is None
    assert report.clocks_mhz == {}


def test_power_is_the_total_of_the_summary(tmp_path: Path) -> None:
    assert read_power_w(FIXTURES / "power_routed.rpt") == 1.625
    hot = altered(
        tmp_path,
        "power_routed.rpt",
        "| Total On-Chip Power (W) | 1.625 |",
        "| Total On-Chip Power (W)  | 99.9 (hot!)  |",
    )
    assert read_power_w(hot) == 99.9


def test_nets_with_routing_errors_are_counted(tmp_path: Path) -> None:
    assert read_failed_nets(FIXTURES / "route_status.rpt") == 0
    unrouted = altered(
        tmp_path, "route_status.rpt", "routing errors.......... : 0", "routing errors : 7"
    )
    assert read_failed_nets(unrouted) == 7


@pytest.mark.parametrize(
    ("name", "old", "new", "named"),
    [
        ("csynth_vivado_hls.xml", "<LUT>3300</LUT>", "", "LUT"),
        ("csynth_vivado_hls.xml", "<LUT>3300</LUT>", "<LUT>n/a</LUT>", "LUT"),
        ("csynth_vivado_hls.xml", "<DSP48E>", "<DSP49>", "mismatched tag"),
        ("utilization_placed_7series.rpt", "| DSPs |", "| XSPs |", "'DSPs'"),
        ("utilization_placed_7series.rpt", "4321 |", "n/a  |", "'Slice LUTs' or 'CLB LUTs'"),
        ("utilization_placed_7series.rpt", "Fully Placed", "Quite Mad", "Quite Mad"),
        ("utilization_placed_7series.rpt", "| Design State :", "| Dessin :", "'Design State'"),
        ("utilization_placed_7series.rpt", "Site Type", "Sort Type", "'Site Type'"),
        ("utilization_hierarchical.rpt", "4000(7.52%)", "-          ", "hier_0"),
        ("utilization_hierarchical.rpt", "| Module |", "| Modula |", "instances"),
        ("timing_summary_met.rpt", "All user specified", "Some user specified", "verdict"),
        ("timing_summary_met.rpt", "3.750", "", "row of slacks"),
        ("timing_summary_met.rpt", "3.750", "n/a", "n/a"),
        ("timing_summary_met.rpt", "| Clock Summary", "| Clog Summary", "Clock Summary"),
        ("timing_summary_met.rpt", "| Design Timing Summary", "| Gone", "Design Timing Summary"),
        ("power_routed.rpt", "| Total On-Chip", "| Total Off-Chip", "Total On-Chip"),
        ("power_routed.rpt", "| 1.625 |", "| NA           |", "Total On-Chip"),
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
    assert read_utilisation(path).used.carry4 == 0


@given(st.integers(min_value=0, max_value=10**9))
def test_counts_are_read_as_written(value: int) -> None:
    assert count(f" {value} ") == value
    assert decimal(f"{value}.250") == value + 0.25
    assert decimal(f"-{value}.5") == -value - 0.5


@pytest.mark.parametrize("cell", ["", "NA", "-", "inf", "nan", "1e3", "1,000", "0x10", "n/a", "_"])
def test_what_is_no_figure_is_none(cell: str) -> None:
    assert count(cell) is None
    assert decimal(cell) is None
