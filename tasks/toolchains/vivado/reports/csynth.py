"""csynth.xml and <top>_csynth.xml: what HLS estimates before any logic synthesis."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from tasks.core.errors import InputError
from tasks.core.records.base import Cycles, Record
from tasks.core.records.design import Resources, Utilisation
from tasks.toolchains.vivado.reports.text import count, decimal, lacking, read_text

_BRAM_18K_PER_36K = 2
# Vivado HLS calls it DSP48E, Vitis HLS DSP.
_DSP_TAGS = ("DSP", "DSP48E")
# Vitis HLS writes the interval of a pipelined module as a number, or as `1 ~ 3`.
_NUMBER = re.compile(r"\d+")


class HlsModule(Record):
    """A function of the design; cycles are None where HLS does not know them.

    Attributes:
        latency_min_cycles: from start to result.
        interval_min_cycles: between two starts.
        clock_estimated_ns: the longest path, None where the report has none.
        estimated: what one instance takes, everything below included.
    """

    name: str
    latency_min_cycles: Cycles | None
    latency_max_cycles: Cycles | None
    interval_min_cycles: Cycles | None
    interval_max_cycles: Cycles | None
    clock_estimated_ns: float | None
    estimated: Resources


class CsynthReport(Record):
    """A synthesized C function; cycles are None where HLS does not know them (`?`, `undef`).

    Attributes:
        tool_version: e.g. `2019.2`; the file does not say whether Vivado HLS or Vitis HLS wrote it.
        top: the function.
        part: as HLS writes it, e.g. `xc7z020-clg400-1`.
        clock_target_ns: the clock that was asked for.
        clock_uncertainty_ns: kept free for placement and routing.
        clock_estimated_ns: the longest path.
        latency_min_cycles: from start to result.
        interval_min_cycles: between two starts.
        utilisation: estimated, well above what placement comes to; `by_module` counts LUTs.
        modules: as far as the file lists them: csynth.xml of Vitis HLS does. Vivado HLS writes a
            file of its own for each, which `read_csynth` reads as well.
    """

    tool_version: str
    top: str
    part: str
    clock_target_ns: float
    clock_uncertainty_ns: float
    clock_estimated_ns: float
    latency_min_cycles: Cycles | None
    latency_max_cycles: Cycles | None
    interval_min_cycles: Cycles | None
    interval_max_cycles: Cycles | None
    utilisation: Utilisation
    modules: tuple[HlsModule, ...]


def read_csynth(path: Path) -> CsynthReport:
    """Read a csynth report of Vivado HLS 2019.1 to Vitis HLS 2025.1.

    Raises:
        InputError: the report, or a figure in it, is missing.
    """
    report = _Node(_parse(path), path)
    latency = report.node("PerformanceEstimates/SummaryOfOverallLatency")
    modules = tuple(_module(node) for node in report.nodes("ModuleInformation/Module"))
    luts = {module.name: module.estimated.lut for module in modules}
    return CsynthReport(
        tool_version=report.text("ReportVersion/Version"),
        top=report.text("UserAssignments/TopModelName"),
        part=report.text("UserAssignments/Part"),
        clock_target_ns=report.number("UserAssignments/TargetClockPeriod"),
        clock_uncertainty_ns=report.number("UserAssignments/ClockUncertainty"),
        clock_estimated_ns=report.number(
            "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"
        ),
        latency_min_cycles=count(latency.text("Best-caseLatency")),
        latency_max_cycles=count(latency.text("Worst-caseLatency")),
        interval_min_cycles=count(latency.text("Interval-min")),
        interval_max_cycles=count(latency.text("Interval-max")),
        utilisation=Utilisation(
            stage="estimated",
            used=_resources(report.node("AreaEstimates/Resources")),
            available=_resources(report.node("AreaEstimates/AvailableResources")),
            by_module=dict(sorted(luts.items(), key=lambda item: -item[1])),
        ),
        modules=modules,
    )


class _Node:
    """An element of the file; what it lacks is an error that names the file."""

    def __init__(self, element: ET.Element, path: Path) -> None:
        self._element = element
        self._path = path

    def nodes(self, name: str) -> list["_Node"]:
        return [_Node(element, self._path) for element in self._element.findall(name)]

    def node(self, name: str) -> "_Node":
        for node in self.nodes(name):
            return node
        raise lacking(self._path, f"element {name}")

    def find(self, name: str) -> str:
        """Return an element's text, empty where there is no such element."""
        return (self._element.findtext(name) or "").strip()

    def text(self, name: str) -> str:
        if text := self.find(name):
            return text
        raise lacking(self._path, f"element {name}")

    def number(self, name: str) -> float:
        if (value := decimal(self.text(name))) is not None:
            return value
        raise lacking(self._path, f"number in element {name}")

    def count(self, name: str) -> int:
        if (value := count(self.text(name))) is not None:
            return value
        raise lacking(self._path, f"count in element {name}")


def _parse(path: Path) -> ET.Element:
    try:
        # Written by the tool that we ran; expat bounds the growth of entities.
        return ET.fromstring(read_text(path))  # noqa: S314
    except ET.ParseError as error:
        raise InputError(
            f"this report is not well-formed XML: {error}",
            where=str(path),
            remedy="see in the tool's log whether C synthesis came to its end, and run it again",
        ) from None


def _module(node: _Node) -> HlsModule:
    latency = node.node("PerformanceEstimates/SummaryOfOverallLatency")
    interval = latency.find("PipelineInitiationInterval")
    intervals = [int(cycles) for cycles in _NUMBER.findall(interval)]
    period = node.find("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod")
    return HlsModule(
        name=node.text("Name"),
        latency_min_cycles=count(latency.find("Best-caseLatency")),
        latency_max_cycles=count(latency.find("Worst-caseLatency")),
        interval_min_cycles=min(intervals, default=None),
        interval_max_cycles=max(intervals, default=None),
        clock_estimated_ns=decimal(period),
        estimated=_resources(node.node("AreaEstimates/Resources")),
    )


def _resources(node: _Node) -> Resources:
    dsp = next((tag for tag in _DSP_TAGS if node.find(tag)), _DSP_TAGS[0])
    return Resources(
        lut=node.count("LUT"),
        ff=node.count("FF"),
        dsp=node.count(dsp),
        bram_36k=node.count("BRAM_18K") / _BRAM_18K_PER_36K,
        uram=node.count("URAM") if node.find("URAM") else 0,
    )
