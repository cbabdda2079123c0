"""Plots of several runs, as PNGs small enough to embed in an artifact."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.core.records.measurement import Run
from tasks.quality.gates import resource_shares

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 80


def data_url(png: bytes) -> str:
    """Return a URL that contains the PNG itself, so it needs no file server and never expires."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def series(runs: Sequence[Run]) -> bytes:
    """Plot accuracy, latency and utilisation over runs.

    Args:
        runs: the runs, oldest first.
    """
    figure = canvas(6.4, 5.6)
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
    return png(figure)


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


def canvas(width: float, height: float) -> "Figure":
    """Return an empty figure of a size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: "Figure") -> bytes:
    """Return a figure as a PNG, which depends on the figure alone."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
