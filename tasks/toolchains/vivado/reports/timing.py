"""report_timing_summary: slacks, clocks, and Vivado's own verdict."""

import re
from pathlib import Path
from typing import Literal

from tasks.core.records.base import Record
from tasks.toolchains.vivado.reports.text import (
    ReportHeader,
    count,
    decimal,
    lacking,
    read_header,
    read_text,
)

_SUMMARY = "Design Timing Summary"
_CLOCKS = "Clock Summary"
_COLUMNS = 12
_VERDICTS: tuple[tuple[str, Literal["met", "violated", "unconstrained"]], ...] = (
    ("All user specified timing constraints are met.", "met"),
    ("Timing constraints are not met.", "violated"),
    ("There are no user specified timing constraints.", "unconstrained"),
)
_CLOCK = re.compile(r"^ *(\S.*?) +\{[^{}]*\} +([\d.]+) +([\d.]+) *$", re.MULTILINE)


class Slack(Record):
    """One kind of slack over all endpoints.

    Attributes:
        worst_ns: the smallest slack; negative where timing is missed, None where no endpoint is
            constrained.
        total_ns: the sum of all negative slacks, 0 where there are none; None as above.
        failing_endpoints: with a negative slack.
        endpoints: that were looked at.
    """

    worst_ns: float | None
    total_ns: float | None
    failing_endpoints: int
    endpoints: int


class Clock(Record):
    """A clock that the design was analysed with."""

    name: str
    period_ns: float
    frequency_mhz: float


class TimingReport(Record):
    """Whether a routed design keeps its timing.

    Attributes:
        setup: WNS and TNS.
        hold: WHS and THS.
        pulse_width: WPWS and TPWS.
        clocks: all of them, generated ones below the one they come from.
        verdict: Vivado's own; `unconstrained` means that nothing was checked.
    """

    header: ReportHeader
    setup: Slack
    hold: Slack
    pulse_width: Slack
    clocks: tuple[Clock, ...]
    verdict: Literal["met", "violated", "unconstrained"]


def read_timing(path: Path) -> TimingReport:
    """Read what report_timing_summary wrote.

    Raises:
        InputError: the report, or a part of it, is missing.
    """
    text = read_text(path)
    header = read_header(text, path)
    summary = _section(text, _SUMMARY, path)
    verdicts = [verdict for sentence, verdict in _VERDICTS if sentence in summary]
    if len(verdicts) != 1:
        raise lacking(path, "verdict on the timing constraints")
    setup, hold, pulse_width = _slacks(summary, path)
    return TimingReport(
        header=header,
        setup=setup,
        hold=hold,
        pulse_width=pulse_width,
        clocks=tuple(
            Clock(name=name, period_ns=float(period), frequency_mhz=float(frequency))
            for name, period, frequency in _CLOCK.findall(_section(text, _CLOCKS, path))
        ),
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


def _slacks(summary: str, path: Path) -> tuple[Slack, Slack, Slack]:
    row = re.search(r"^ *WNS\(ns\) .*\n[ -]+\n(.+)$", summary, re.MULTILINE)
    cells = row[1].split() if row else []
    if len(cells) != _COLUMNS:
        raise lacking(path, "row of slacks")
    setup, hold, pulse_width = (_slack(cells[start : start + 4], path) for start in (0, 4, 8))
    return setup, hold, pulse_width


def _slack(cells: list[str], path: Path) -> Slack:
    """Return the slack of four cells: worst, total, failing endpoints, endpoints.

    Cells without figures (`NA`, `inf`) are all right as long as there are no endpoints to judge,
    or none of them is constrained.
    """
    worst, total, failing, endpoints = cells
    if all(cell == "NA" for cell in cells):
        return Slack(worst_ns=None, total_ns=None, failing_endpoints=0, endpoints=0)
    number, of = count(failing), count(endpoints)
    if number is None or of is None or (decimal(worst) is None and worst not in ("inf", "NA")):
        raise lacking(path, f"figures in the row of slacks: {' '.join(cells)}")
    return Slack(
        worst_ns=decimal(worst),
        total_ns=None if decimal(worst) is None else decimal(total),
        failing_endpoints=number,
        endpoints=of,
    )
