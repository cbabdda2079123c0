"""Reads report_timing_summary: slacks, clocks, and Vivado's verdict."""

import re
from pathlib import Path
from typing import Literal

from tasks.core.records.base import Record
from tasks.toolchains.vivado.reports.text import count, decimal, lacking, read_text

_SUMMARY = "Design Timing Summary"
_CLOCKS = "Clock Summary"
_COLUMNS = 12
_VERDICTS: tuple[tuple[str, Literal["met", "violated", "unconstrained"]], ...] = (
    ("All user specified timing constraints are met.", "met"),
    ("Timing constraints are not met.", "violated"),
    ("There are no user specified timing constraints.", "unconstrained"),
)
_CLOCK = re.compile(r"^ *(\S.*?) +\{[^{}]*\} +[\d.]+ +([\d.]+) *$", re.MULTILINE)


class TimingReport(Record):
    """The timing of a routed design.

    Attributes:
        setup_ns: smallest slack; negative if timing is missed, None if no endpoint is constrained.
            The same applies to the others.
        clocks_mhz: frequencies by name, generated clocks after their sources.
        verdict: Vivado's; `unconstrained` means that nothing was checked.
    """

    setup_ns: float | None
    hold_ns: float | None
    pulse_width_ns: float | None
    clocks_mhz: dict[str, float]
    verdict: Literal["met", "violated", "unconstrained"]


def read_timing(path: Path) -> TimingReport:
    """Read a timing summary.

    Raises:
        InputError: the report, or a part of it, is missing.
    """
    text = read_text(path)
    summary = _section(text, _SUMMARY, path)
    verdicts = [verdict for sentence, verdict in _VERDICTS if sentence in summary]
    if len(verdicts) != 1:
        raise lacking(path, "verdict on the timing constraints")
    setup, hold, pulse_width = _slacks(summary, path)
    clocks = _CLOCK.findall(_section(text, _CLOCKS, path))
    return TimingReport(
        setup_ns=setup,
        hold_ns=hold,
        pulse_width_ns=pulse_width,
        clocks_mhz={name: float(frequency) for name, frequency in clocks},
        verdict=verdicts[0],
    )


def _section(text: str, title: str, path: Path) -> str:
    """Return the text between the box with a title and the next box."""
    box = re.search(
        rf"^\| {title} *\n\| -+ *\n-+ *\n(.*?)(?=^-+ *\n\| )", text, re.MULTILINE | re.DOTALL
    )
    if box is None:
        raise lacking(path, f"section {title!r}")
    return box[1]


def _slacks(summary: str, path: Path) -> list[float | None]:
    row = re.search(r"^ *WNS\(ns\) .*\n[ -]+\n(.+)$", summary, re.MULTILINE)
    cells = row[1].split() if row else []
    if len(cells) != _COLUMNS:
        raise lacking(path, "row of slacks")
    return [_worst(cells[start : start + 4], path) for start in (0, 4, 8)]


def _worst(cells: list[str], path: Path) -> float | None:
    """Return the smallest slack of four cells: worst, total, failing endpoints, endpoints.

    Cells without figures (`NA`, `inf`) are valid if there are no endpoints, or none of them is
    constrained.
    """
    worst, _, failing, endpoints = cells
    if all(cell == "NA" for cell in cells):
        return None
    known = decimal(worst) is not None or worst in ("inf", "NA")
    if not known or count(failing) is None or count(endpoints) is None:
        raise lacking(path, f"figures in the row of slacks: {' '.join(cells)}")
    return decimal(worst)
