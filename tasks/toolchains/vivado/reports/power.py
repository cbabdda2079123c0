"""Reads report_power: an estimate that depends on the assumed activity."""

from pathlib import Path

from tasks.toolchains.vivado.reports.text import decimal, lacking, read_text, tables

_TOTAL = "Total On-Chip Power (W)"


def read_power_w(path: Path) -> float:
    """Return Vivado's estimate of the chip's power in W, with the processing system.

    Raises:
        InputError: the report, or the figure in it, is missing.
    """
    for table in tables(read_text(path)):
        cells = {row[0].strip(): row[-1] for row in table.rows}
        # If the chip would get too hot, a remark follows the figure.
        if (watts := decimal(cells.get(_TOTAL, ""))) is not None:
            return watts
    raise lacking(path, f"figure for {_TOTAL!r}")
