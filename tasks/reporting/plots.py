"""Plots of a run, as PNGs small enough to embed in an artifact."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tasks.core.records.design import Utilisation
from tasks.core.records.measurement import LatencyFit, Run
from tasks.quality.gates import resource_shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 80


def data_url(png: bytes) -> str:
    """Return a URL that contains the PNG itself, so it needs no file server and never expires."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def confusion_matrix(expected: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> bytes:
    """Plot the counts of each expected class (rows) and predicted class (columns).

    Args:
        expected: class number of each sample.
        found: class number that the board predicted.
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
        xlabel="class predicted on the board",
        ylabel="expected class",
        xticks=range(classes),
        yticks=range(classes),
        title=f"{int(np.trace(counts))} of {counts.sum()} correct",
    )
    return _png(figure)


def latency(
    singles: Sequence[float],
    batches: Sequence[tuple[int, float]],
    fit: LatencyFit | None,
    note: str,
) -> bytes:
    """Plot batch time over batch size with the fitted line, and the distribution for one sample.

    Args:
        singles: seconds of each run with one sample.
        batches: (samples, seconds) of independent runs.
        fit: the fit T(N) = a + b N.
        note: text below the title, e.g. that the figures are simulated.
    """
    figure = _canvas(5.6, 7.0)
    above, below = figure.subplots(2, height_ratios=(3, 2), gridspec_kw={"hspace": 0.4})
    _batches(above, batches, fit, note)
    below.ecdf(1e6 * np.array(singles))
    below.set(
        xlabel="time of one sample / µs",
        ylabel="cumulative share of runs",
        title=f"one sample, {len(singles)} runs",
    )
    below.grid(visible=True, alpha=0.3)
    return _png(figure)


def _batches(
    axes: "Axes", batches: Sequence[tuple[int, float]], fit: LatencyFit | None, note: str
) -> None:
    sizes = np.array([size for size, _ in batches], dtype=float)
    times_us = np.array([seconds for _, seconds in batches]) * 1e6
    axes.loglog(sizes, times_us, "o", label="measured")
    title = "time of a batch"
    if fit is not None:
        line = np.geomspace(sizes.min(), sizes.max(), 100)
        axes.loglog(line, (fit.overhead_s + fit.per_sample_s * line) * 1e6, "-", label="a + b N")
        title = f"a = {fit.overhead_s * 1e6:.3g} µs, b = {fit.per_sample_s * 1e6:.3g} µs/sample"
        axes.legend()
    axes.set(xlabel="samples in the batch", ylabel="time / µs", title=f"{title}\n{note}")
    axes.grid(visible=True, which="both", alpha=0.3)


def utilisation(used: Utilisation, part: str) -> bytes:
    """Plot the used share of each resource of the part."""
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


def steps(seconds: Mapping[str, float]) -> bytes:
    """Plot the time of each step of a run.

    Args:
        seconds: seconds by step, in order.
    """
    figure, axes = _figure(5.6, 0.35 * len(seconds) + 1.1)
    bars = axes.barh(list(seconds), list(seconds.values()))
    axes.bar_label(bars, labels=[f"{each:.1f} s" for each in seconds.values()], padding=4)
    axes.set(xlim=(0, max(1.0, *seconds.values()) * 1.2), xlabel="time / s")
    axes.invert_yaxis()
    return _png(figure)


def series(runs: Sequence[Run]) -> bytes:
    """Plot accuracy, latency and utilisation over runs.

    Args:
        runs: the runs, oldest first.
    """
    figure = _canvas(6.4, 5.6)
    for axes, (label, points) in zip(
        figure.subplots(3, sharex=True), _curves(runs).items(), strict=True
    ):
        for board in sorted({board for _, board, _ in points}):
            mine = [(number, value) for number, name, value in points if name == board]
            axes.plot(*zip(*mine, strict=True), "o-", label=board)
        axes.set_ylabel(label)
        axes.grid(visible=True, alpha=0.3)
        if points:
            axes.legend(loc="upper left")
    axes.set(xlabel="run (newest on the right)", xticks=range(1, len(runs) + 1))
    return _png(figure)


def _curves(runs: Sequence[Run]) -> dict[str, list[tuple[int, str, float]]]:
    """Return (run number, board, value) by label; skip runs without the figure."""
    curves: dict[str, list[tuple[int, str, float]]] = {
        "accuracy / %": [], "latency, batch 1 / µs": [], "fullest resource / %": [],
    }  # fmt: skip
    accuracy, latency_us, utilised = curves.values()
    for number, run in enumerate(runs, 1):
        measurement = run.verdict.measurement
        board = measurement.deployment.board
        used = measurement.deployment.package.manifest.utilisation
        if run.verdict.accuracy_board is not None:
            accuracy.append((number, board, 100 * run.verdict.accuracy_board))
        latency_us.append((number, board, 1e6 * measurement.latency_s["p50"]))
        if used is not None:
            utilised.append((number, board, 100 * max(resource_shares(used).values())))
    return curves


def _figure(width: float, height: float) -> "tuple[Figure, Axes]":
    figure = _canvas(width, height)
    return figure, figure.add_subplot()


def _canvas(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None}, bbox_inches="tight")
    return buffer.getvalue()
