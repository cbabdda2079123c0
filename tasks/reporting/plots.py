"""Pictures of a run, as PNG bytes small enough to stand inside an artifact."""

import base64
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tasks.gates import resource_shares
from tasks.records import LatencyFit, Utilisation

DPI = 80


def data_url(png: bytes) -> str:
    """A PNG as a URL that carries the picture itself: no file server, no expiry."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def confusion_matrix(expected: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> bytes:
    """Counts of expected class (rows) against found class (columns).

    Args:
        expected: class number of each sample.
        found: class number that the board gave.
    """
    classes = int(max(expected.max(), found.max())) + 1
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (expected, found), 1)
    figure, axes = _figure(4.6, 4.2)
    axes.imshow(np.sqrt(counts), cmap="Blues")
    for row, column in np.argwhere(counts):
        count = counts[row, column]
        dark = count > counts.max() / 2
        axes.text(
            column, row, str(count), ha="center", va="center", color="white" if dark else "black"
        )
    axes.set(
        xlabel="class found on the board",
        ylabel="expected class",
        xticks=range(classes),
        yticks=range(classes),
        title=f"{int(np.trace(counts))} of {counts.sum()} right",
    )
    return _png(figure)


def latency(points: Sequence[tuple[int, float]], fit: LatencyFit | None, note: str) -> bytes:
    """Time of a batch over its size, with the line fitted to it.

    Args:
        points: (samples, seconds) of independent runs.
        fit: T(N) = a + b N.
        note: under the title, e.g. that the figures are simulated.
    """
    sizes = np.array([size for size, _ in points], dtype=float)
    times_us = np.array([seconds for _, seconds in points]) * 1e6
    figure, axes = _figure(5.6, 4.2)
    axes.loglog(sizes, times_us, "o", label="measured")
    title = "time of a batch"
    if fit is not None:
        line = np.geomspace(sizes.min(), sizes.max(), 100)
        axes.loglog(line, (fit.overhead_s + fit.per_sample_s * line) * 1e6, "-", label="a + b N")
        title = f"a = {fit.overhead_s * 1e6:.3g} µs, b = {fit.per_sample_s * 1e6:.3g} µs/sample"
        axes.legend()
    axes.set(xlabel="samples in the batch", ylabel="time / µs", title=f"{title}\n{note}")
    axes.grid(visible=True, which="both", alpha=0.3)
    return _png(figure)


def utilisation(used: Utilisation, part: str) -> bytes:
    """Share of each resource of the part."""
    shares = resource_shares(used)
    figure, axes = _figure(5.6, 0.5 * len(shares) + 1.1)
    names = [name.upper().replace("_", " ") for name in shares]
    percent = [100 * share for share in shares.values()]
    bars = axes.barh(names, percent)
    labels = [
        f"{getattr(used.used, name):g} of {getattr(used.available, name):g}" for name in shares
    ]
    axes.bar_label(bars, labels=labels, padding=4)
    axes.set(xlim=(0, max(100, *percent) * 1.3), xlabel=f"% of {part}, {used.stage}")
    axes.invert_yaxis()
    return _png(figure)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None}, bbox_inches="tight")
    return buffer.getvalue()
