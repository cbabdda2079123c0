"""report_power: an estimate, as good as the activity that it assumes."""

from pathlib import Path

from tasks.core.records.base import Record
from tasks.toolchains.vivado.reports.text import (
    ReportHeader,
    decimal,
    lacking,
    read_header,
    read_text,
    tables,
)


class PowerReport(Record):
    """What Vivado estimates the chip to take, the processing system included.

    Attributes:
        total_w: dynamic and static.
        dynamic_w: of clocks, signals and logic at the activity that was assumed.
        static_w: leakage.
        confidence: Vivado's own: `Low`, `Medium` or `High`.
    """

    header: ReportHeader
    total_w: float
    dynamic_w: float
    static_w: float
    confidence: str


def read_power(path: Path) -> PowerReport:
    """Read what report_power wrote.

    Raises:
        InputError: the report, or a figure in it, is missing.
    """
    text = read_text(path)
    header = read_header(text, path)
    for table in tables(text):
        cells = {row[0].strip(): row[-1] for row in table.rows}
        if "Total On-Chip Power (W)" not in cells:
            continue
        if "Confidence Level" not in cells:
            raise lacking(path, "confidence level")
        return PowerReport(
            header=header,
            total_w=_figure(cells, "Total On-Chip Power (W)", path),
            dynamic_w=_figure(cells, "Dynamic (W)", path),
            static_w=_figure(cells, "Device Static (W)", path),
            confidence=cells["Confidence Level"].strip(),
        )
    raise lacking(path, "summary of power")


def _figure(cells: dict[str, str], name: str, path: Path) -> float:
    # Where the chip would get too hot, a remark follows the total.
    if (value := decimal(cells.get(name, ""))) is None:
        raise lacking(path, f"figure for {name!r}")
    return value
