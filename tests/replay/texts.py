"""Reports and other files in the tools' formats; each says that it is a replay."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from board.kinds import PartResources, board_kinds
from tests.replay.versions import PROHIBITED

LINE = "-" * 80


@dataclass(frozen=True)
class Estimate:
    """Figures of a csynth report; cycles and primitives."""

    latency: int
    interval: int
    lut: int
    ff: int
    dsp: int
    bram_18k: int


def write(path: Path, text: str) -> None:
    """Write a file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def remove(path: Path) -> None:
    """Remove a directory, if it is there."""
    shutil.rmtree(path, ignore_errors=True)


def csynth_xml(top: str, estimate: Estimate, part: str, period_ns: float, version: str) -> str:
    """<top>_csynth.xml of Vivado HLS 2019.2."""
    has = resources(part)
    return f"""<profile>
<!-- replay: nothing was synthesized -->
<ReportVersion><Version>{version}</Version></ReportVersion>
<UserAssignments>
<unit>ns</unit>
<ProductFamily>{family(part)}</ProductFamily>
<Part>{part}</Part>
<TopModelName>{top}</TopModelName>
<TargetClockPeriod>{period_ns:.2f}</TargetClockPeriod>
<ClockUncertainty>{period_ns / 8:.2f}</ClockUncertainty>
</UserAssignments>
<PerformanceEstimates>
<PipelineType>none</PipelineType>
<SummaryOfTimingAnalysis>
<unit>ns</unit>
<EstimatedClockPeriod>{period_ns * 0.86:.3f}</EstimatedClockPeriod>
</SummaryOfTimingAnalysis>
<SummaryOfOverallLatency>
<unit>clock cycles</unit>
<Best-caseLatency>{estimate.latency}</Best-caseLatency>
<Average-caseLatency>{estimate.latency}</Average-caseLatency>
<Worst-caseLatency>{estimate.latency}</Worst-caseLatency>
<Best-caseRealTimeLatency>0.1 us</Best-caseRealTimeLatency>
<Average-caseRealTimeLatency>0.1 us</Average-caseRealTimeLatency>
<Worst-caseRealTimeLatency>0.1 us</Worst-caseRealTimeLatency>
<Interval-min>{estimate.interval}</Interval-min>
<Interval-max>{estimate.interval}</Interval-max>
</SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates>
<Resources>
<BRAM_18K>{estimate.bram_18k}</BRAM_18K>
<DSP48E>{estimate.dsp}</DSP48E>
<FF>{estimate.ff}</FF>
<LUT>{estimate.lut}</LUT>
<URAM>0</URAM>
</Resources>
<AvailableResources>
<BRAM_18K>{2 * has.bram_36k}</BRAM_18K>
<DSP48E>{has.dsp}</DSP48E>
<FF>{has.ff}</FF>
<LUT>{has.lut}</LUT>
<URAM>0</URAM>
</AvailableResources>
</AreaEstimates>
</profile>
"""


def family(part: str) -> str:
    """A part's family, as the tools write it."""
    return "zynq" if part.startswith("xc7z") else "zynquplus"


def component_xml(top: str, part: str) -> str:
    """The IP's description, as far as the replayed Vivado reads it."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- replay: this IP has no content -->
<component>
  <vendor>xilinx.com</vendor><library>hls</library><name>{top}</name><version>1.0</version>
  <family>{family(part)}</family>
</component>
"""


def header(command: str, state: str, version: str, part: str) -> str:
    """The head of a Vivado report."""
    device = part.removeprefix("xc")
    return f"""Copyright: none, this report is a replay
{LINE}
| Tool Version : Vivado v.{version} (lin64) Build 0 replay
| Date         : Thu Jan  1 00:00:00 1970
| Host         : replay running 64-bit unknown
| Command      : {command}
| Design       : design_1_wrapper
| Device       : {device}
| Design State : {state}
{LINE}

"""


def table(*rows: tuple[object, ...], titled: bool = True) -> str:
    """A table as Vivado draws it; the first row holds the titles, if there are any."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"

    def line(row: list[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        return "| " + " | ".join(padded) + " |"

    body = [line(row) for row in cells]
    head = [rule, body.pop(0)] if titled else []
    return "\n".join([*head, rule, *body, rule, "", ""])


def resources(part: str) -> PartResources:
    """What a part has."""
    return next(kind.resources for kind in board_kinds().values() if kind.part == part)


def utilisation(lut: int, part: str, version: str) -> str:
    """The tables of report_utilization."""
    prohibited = version >= PROHIBITED
    titles = ("Site Type", "Used", "Fixed", *["Prohibited"] * prohibited, "Available", "Util%")
    has, ultrascale = resources(part), family(part) == "zynquplus"
    cell = "CLB" if ultrascale else "Slice"

    def row(name: str, used: float, available: int) -> tuple[object, ...]:
        share = f"{100 * used / available:.2f}"
        return (name, used, 0, *[0] * prohibited, available, share)

    logic = table(
        titles,
        row(f"{cell} LUTs" + "*" * (not ultrascale), lut, has.lut),
        row("  LUT as Logic", lut, has.lut),
        row(f"{cell} Registers", 4100, has.ff),
        row("  Register as Flip Flop", 4100, has.ff),
    )
    memory = table(
        titles,
        row("Block RAM Tile", 4.5, has.bram_36k),
        row("  RAMB36/FIFO*", 4, has.bram_36k),
        row("  RAMB18", 1, 2 * has.bram_36k),
    )
    dsps = table(titles, row("DSPs", 4, has.dsp))
    primitives = table(
        ("Ref Name", "Used", "Functional Category"),
        ("FDRE", 4100, "Register" if ultrascale else "Flop & Latch"),
        ("CARRY8" if ultrascale else "CARRY4", 210, "CLB" if ultrascale else "CarryLogic"),
    )
    sections = {
        f"1. {cell} Logic": logic,
        "3. BLOCKRAM" if ultrascale else "3. Memory": memory,
        "4. ARITHMETIC" if ultrascale else "4. DSP": dsps,
        "9. Primitives" if ultrascale else "8. Primitives": primitives,
    }
    body = "".join(f"{title}\n{'-' * len(title)}\n\n{text}\n" for title, text in sections.items())
    return f"Utilization Design Information\n\n{body}"


def hierarchy(lut: int, project: str, part: str) -> str:
    """The table of report_utilization -hierarchical -hierarchical_percentages."""
    has = resources(part)

    def cell(used: int, available: int) -> str:
        return f"{used}({100 * used / available:.2f}%)"

    def row(depth: int, name: str, module: str, luts: int) -> tuple[object, ...]:
        counted = cell(luts, has.lut)
        memory = (cell(4, has.bram_36k), cell(1, 2 * has.bram_36k))
        rest = ("0(0.00%)", "0(0.00%)", cell(4100, has.ff), *memory, cell(4, has.dsp))
        return ("  " * depth + name, module, counted, counted, *rest)

    titles = (
        *("Instance", "Module", "Total LUTs", "Logic LUTs", "LUTRAMs", "SRLs", "FFs"),
        *("RAMB36", "RAMB18", "DSP48 Blocks"),
    )
    rows = table(
        titles,
        row(0, "design_1_wrapper", "(top)", lut),
        row(1, "design_1_i", "design_1", lut),
        row(2, "hier_0", "hier_0_imp_0000000", lut - 500),
        row(3, f"{project}_axi_0", f"design_1_{project}_axi_0_0", lut - 900),
    )
    return f"Utilization Design Information\n\n1. Utilization by Hierarchy\n\n{rows}"


def timing(wns: float, whs: float, wpws: float, system: str, clock_mhz: float) -> str:
    """What report_timing_summary says before the paths."""
    period = 1000 / clock_mhz
    clock = {"zynq7000": "clk_fpga_0", "zynqmp": "clk_pl_0"}[system]
    met = min(wns, whs, wpws) >= 0
    verdict = "All user specified timing constraints are met."
    failing = 0 if wns >= 0 else 17
    titles: list[str] = []
    rule: list[str] = []
    figures: list[str] = []
    for kind, slack, failed, endpoints in (
        ("S", wns, failing, 9000),
        ("HS", whs, 0, 9000),
        ("PWS", wpws, 0, 4200),
    ):
        worst, total = ("WNS", "TNS") if kind == "S" else (f"W{kind}", f"T{kind}")
        names = (f"{worst}(ns)", f"{total}(ns)", f"{total} Failing Endpoints", f"{total} Endpoints")
        values = (f"{slack:.3f}", f"{min(slack, 0) * failed:.3f}", str(failed), str(endpoints))
        titles += names
        rule += ["-" * (len(name) - 4) for name in names]
        figures += [value.rjust(len(name)) for name, value in zip(names, values, strict=True)]
    sections = {
        "Design Timing Summary": "\n".join(
            (
                *("    ".join(line) for line in (["", *titles], ["", *rule], ["", *figures])),
                f"\n\n{verdict if met else 'Timing constraints are not met.'}",
            )
        ),
        "Clock Summary": "Clock       Waveform(ns)       Period(ns)      Frequency(MHz)\n"
        "-----       ------------       ----------      --------------\n"
        f"{clock:10}  {{0.000 {period / 2:.3f}}}      {period:.3f}          {clock_mhz:.3f}   ",
        "Intra Clock Table": "none in a replay",
    }
    return "Timing Summary Report\n\n" + "\n\n".join(
        f"{LINE}\n| {title}\n| {'-' * len(title)}\n{LINE}\n\n{text}\n"
        for title, text in sections.items()
    )


def power() -> str:
    """The tables of report_power."""
    summary = table(
        ("Total On-Chip Power (W)", "1.402"),
        ("Dynamic (W)", "1.270"),
        ("Device Static (W)", "0.132"),
        ("Confidence Level", "Medium"),
        titled=False,
    )
    return f"Power Report\n\n1. Summary\n----------\n\n{summary}"


def route_status(unrouted: int) -> str:
    """What report_route_status says."""
    rule = "   ------------------------------------------- : ----------- :\n"
    counts = {
        "# of logical nets": 9000,
        "    # of nets not needing routing": 4000,
        "    # of routable nets": 5000,
        "        # of fully routed nets": 5000 - unrouted,
        "    # of nets with routing errors": unrouted,
    }
    lines = (f"   {name:.<43} : {number:11d} :\n" for name, number in counts.items())
    return f"Design Route Status (replay)\n{' ' * 47}:      # nets :\n{rule}{''.join(lines)}{rule}"
