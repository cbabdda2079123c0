"""The figures by which runs are compared: everywhere in the same columns and formats."""

from collections.abc import Mapping

from tasks.conversion.names import what_differs
from tasks.core.records.base import Record
from tasks.core.records.measurement import Run

Cell = str | int | float | None

# The column of each figure, and whether more of it is better; None where neither is.
COLUMNS: Mapping[str, tuple[str, bool | None]] = {
    "accuracy": ("accuracy", True),
    "rmse": ("RMSE", False),
    "bit_exact": ("bit-exact", True),
    "latency_us": ("latency/us", False),
    "interval_cycles": ("interval/cycles", False),
    "inferences_per_s": ("inferences/s", True),
    "lut": ("LUT", False),
    "ff": ("FF", False),
    "dsp": ("DSP", False),
    "bram_36k": ("BRAM 36k", False),
    "clock_mhz": ("clock/MHz", None),
}
# From here on, the digits before the point are enough.
EXACT = 1000
SHARES = ("accuracy", "bit-exact")


class Figures(Record):
    """The figures by which runs and points are compared.

    Attributes:
        accuracy: share of test samples that the board classifies correctly; None without labels.
        rmse: root mean square error against y_test; None where only decisions count.
        bit_exact: share of test samples that match the C simulation bit for bit.
        latency_us: median latency of one sample.
        interval_cycles: clocks from one sample to the next; None if not measured.
        inferences_per_s: throughput at the clock read back.
        clock_mhz: fabric clock read back from the board.
        simulated: whether it was measured on a twin.
    """

    accuracy: float | None
    rmse: float | None = None
    bit_exact: float
    latency_us: float | None
    interval_cycles: float | None = None
    inferences_per_s: float
    clock_mhz: float
    simulated: bool
    lut: int | None
    ff: int | None
    dsp: int | None
    bram_36k: float | None


def figures(run: Run) -> Figures:
    """Return the figures by which a run is compared."""
    verdict = run.verdict
    measurement = verdict.measurement
    manifest = measurement.deployment.package.manifest
    used = manifest.utilisation.used if manifest.utilisation else None
    median = measurement.latency_s.get("p50")
    return Figures(
        accuracy=verdict.accuracy_board,
        rmse=verdict.rmse_board,
        bit_exact=verdict.bit_exact / verdict.samples,
        latency_us=None if median is None else median * 1e6,
        interval_cycles=measurement.cycles_per_sample,
        inferences_per_s=measurement.inferences_per_s,
        clock_mhz=measurement.clock_mhz,
        simulated=measurement.simulated,
        lut=used.lut if used else None,
        ff=used.ff if used else None,
        dsp=used.dsp if used else None,
        bram_36k=used.bram_36k if used else None,
    )


def cells(found: Figures | None) -> dict[str, Cell]:
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
    settings = run.verdict.measurement.deployment.package.manifest.settings
    return "imported" if settings is None else what_differs(settings)
