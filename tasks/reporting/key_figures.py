"""The figures by which runs are compared: everywhere in the same columns and formats."""

from collections.abc import Mapping

from tasks.conversion.names import what_differs
from tasks.core.records.measurement import KeyFigures, Run

Cell = str | int | float | None

# The column of each figure, and whether more of it is better; None where neither is.
COLUMNS: Mapping[str, tuple[str, bool | None]] = {
    "accuracy": ("accuracy", True),
    "rmse": ("RMSE", False),
    "bit_exact": ("bit-exact", True),
    "latency_us": ("latency (µs)", False),
    "interval_cycles": ("interval (cycles)", False),
    "inferences_per_s": ("inferences/s", True),
    "lut": ("LUT", False),
    "ff": ("FF", False),
    "dsp": ("DSP", False),
    "bram_36k": ("BRAM 36k", False),
    "clock_mhz": ("clock (MHz)", None),
}
# From here on, the digits before the point are enough.
EXACT = 1000
SHARES = ("accuracy", "bit-exact")


def cells(found: KeyFigures | None) -> dict[str, Cell]:
    """Return the figures by column; None for what is not known."""
    return {
        column: None if found is None else getattr(found, name)
        for name, (column, _) in COLUMNS.items()
    }


def text(column: str, value: Cell) -> str:
    """Return a value as the text of a cell; empty if it is not known."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if column in SHARES:
        return f"{value:.2%}"
    if isinstance(value, float) and value < EXACT:
        return f"{value:.4g}"
    return f"{value:,.0f}"


def differs(run: Run) -> str:
    """Say which settings of a run are no defaults; of an imported design they are not known."""
    settings = run.verdict.manifest.settings
    return "imported" if settings is None else what_differs(settings)
