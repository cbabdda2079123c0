"""Reads csynth.xml and <top>_csynth.xml: HLS's estimates before logic synthesis."""

from pathlib import Path
from xml.etree import ElementTree as ET

from tasks.core.errors import InputError
from tasks.core.records.base import Cycles, Record
from tasks.core.records.design import Resources
from tasks.toolchains.vivado.reports.text import count, lacking, read_text

_BRAM_18K_PER_36K = 2
# Vivado HLS calls it DSP48E, Vitis HLS DSP.
_DSP_TAGS = ("DSP", "DSP48E")


class CsynthReport(Record):
    """A synthesized C function; cycles are None if HLS does not know them (`?`, `undef`).

    Attributes:
        latency_cycles: maximum from start to result.
        interval_cycles: maximum between two starts.
        used: estimate, well above the result of placement.
    """

    latency_cycles: Cycles | None
    interval_cycles: Cycles | None
    used: Resources


def read_csynth(path: Path) -> CsynthReport:
    """Read a csynth report of Vivado HLS 2019.1 to Vitis HLS 2025.1.

    Raises:
        InputError: the report, or a figure in it, is missing.
    """
    report = _Node(_parse(path), path)
    latency = report.node("PerformanceEstimates/SummaryOfOverallLatency")
    resources = report.node("AreaEstimates/Resources")
    dsp = next((tag for tag in _DSP_TAGS if resources.find(tag)), _DSP_TAGS[0])
    return CsynthReport(
        latency_cycles=count(latency.text("Worst-caseLatency")),
        interval_cycles=count(latency.text("Interval-max")),
        used=Resources(
            lut=resources.count("LUT"),
            ff=resources.count("FF"),
            dsp=resources.count(dsp),
            bram_36k=resources.count("BRAM_18K") / _BRAM_18K_PER_36K,
            uram=resources.count("URAM") if resources.find("URAM") else 0,
        ),
    )


class _Node:
    """An element of the file; missing parts raise an error that names the file."""

    def __init__(self, element: ET.Element, path: Path) -> None:
        self._element = element
        self._path = path

    def node(self, name: str) -> "_Node":
        if (element := self._element.find(name)) is None:
            raise lacking(self._path, f"element {name}")
        return _Node(element, self._path)

    def find(self, name: str) -> str:
        """Return an element's text; empty if there is no such element."""
        return (self._element.findtext(name) or "").strip()

    def text(self, name: str) -> str:
        if text := self.find(name):
            return text
        raise lacking(self._path, f"element {name}")

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
            remedy="check in the tool's log whether C synthesis finished, and run it again",
        ) from None
