"""report_power: an estimate, as good as the activity that it assumes."""

from pathlib import Path

from tasks.toolchains.vivado.reports.text import decimal, lacking, read_text, tables

_TOTAL = "Total On-Chip Power (W)"


def read_power_w(path: Path) -> float:
    """Return what Vivado estimates the chip to take, the processing system included, in W.

    Raises:
        InputError: the report, or the figure in it, is missing.
    """
    for table in tables(read_text(path)):
        cells = {row[0].strip(): row[-1] for row in table.rows}
        # Where the chip would get too hot, a remark follows the figure.
        if (watts := decimal(cells.get(_TOTAL, ""))) is not None:
            return watts
    raise lacking(path, f"figure for {_TOTAL!r}")
