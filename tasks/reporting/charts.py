"""Charts of a run, as Vega-Lite specifications that a browser draws and explains on hover.

Text has the colour of the page around it, so that a chart is readable in light and dark. Prefect's
artifacts, in which no script runs, contain charts as pictures.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.meaning import cut, decisions, expected_decisions
from tasks.core.records.design import LayerEstimate, Utilisation, resource_label
from tasks.core.records.measurement import LatencyFit, Run
from tasks.quality.gates import resource_shares
from tasks.quality.outputs import Outputs

if TYPE_CHECKING:
    import altair as alt

Spec = dict[str, Any]
Values = list[dict[str, Any]]

BLUE, ORANGE = "#3b82f6", "#f59e0b"
# Points of a scatter plot: a page with more is slow, and shows no more.
POINTS = 1000
# Classes of a confusion matrix whose cells are wide enough for a number.
NUMBERED = 20


def charts(run: Run, found: Outputs) -> dict[str, Spec]:
    """Return the charts that fit the run, by title.

    Args:
        run: the run with its verdict.
        found: the run's outputs.
    """
    measurement = run.verdict.measurement
    manifest = measurement.deployment.package.manifest
    drawn: dict[str, Spec] = {}
    if not manifest.drawn_inputs:
        outputs = manifest.each_output
        pairs = zip(cut(found.expected, outputs), cut(found.board, outputs), strict=True)
        for output, (expected, board) in zip(outputs, pairs, strict=True):
            if output.meaning.kind == "values":
                title = f"Outputs {output.name} of the board against y_test".replace("  ", " ")
                drawn[title] = against(expected, board)
            else:
                drawn[f"Confusion matrix {output.name}".strip()] = confusion_matrix(
                    expected_decisions(expected, output.meaning),
                    decisions(board, output.meaning),
                )
    results = json.loads((Path(measurement.directory) / "results.json").read_text())
    points = [(each["samples"], t) for each in results["series"] for t in each["seconds"]]
    if points:
        drawn["Time of a batch"] = batches(points, measurement.fit)
    singles = results["latency_runs_s"]
    if min(singles) < max(singles):
        drawn[f"Time of one sample, {len(singles)} runs"] = distribution(singles)
    if manifest.utilisation is not None:
        drawn[f"Utilisation of {manifest.part}"] = utilisation(manifest.utilisation)
    if manifest.layers:
        drawn["Clocks of each layer"] = layers(manifest.layers)
    if run.steps_s:
        drawn["Time of each step"] = steps(run.steps_s)
    return drawn


def confusion_matrix(expected: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> Spec:
    """Draw the counts of each expected class (rows) and predicted class (columns).

    Args:
        expected: class number of each sample.
        found: class number that the board predicted.
    """
    import altair as alt

    classes = int(max(expected.max(), found.max())) + 1
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (expected, found), 1)
    values = [
        {"expected": int(row), "predicted": int(column), "samples": int(counts[row, column])}
        for row, column in np.argwhere(counts)
    ]
    names = list(range(classes))
    base = alt.Chart(inline(values)).encode(
        x=alt.X(
            "predicted:O",
            title="class predicted on the board",
            scale=alt.Scale(domain=names),
            axis=alt.Axis(labelAngle=0),
        ),
        y=alt.Y("expected:O", title="expected class", scale=alt.Scale(domain=names)),
        tooltip=["expected:O", "predicted:O", "samples:Q"],
    )
    cells = base.mark_rect().encode(
        color=alt.Color("samples:Q", scale=alt.Scale(scheme="blues", type="sqrt"), legend=None)
    )
    dark = alt.datum.samples > counts.max() / 2
    numbers = base.mark_text().encode(
        text="samples:Q", color=alt.condition(dark, alt.value("white"), alt.value("black"))
    )
    return finished(
        (cells + numbers) if classes <= NUMBERED else cells, height=max(120, 24 * classes)
    )


def against(expected: npt.NDArray[np.float32], found: npt.NDArray[np.float32]) -> Spec:
    """Draw up to 1000 outputs of the board over what was expected of them.

    Args:
        expected: targets, samples x output shape.
        found: what the board gave, of the same shape.
    """
    import altair as alt

    step = -(-expected.size // POINTS)
    wanted, got = expected.ravel()[::step], found.ravel()[::step]
    values = [
        {"expected": float(each), "board": float(given)}
        for each, given in zip(wanted, got, strict=True)
    ]
    ends = [float(min(wanted.min(), got.min())), float(max(wanted.max(), got.max()))]
    points = alt.Chart(inline(values)).mark_circle(color=BLUE, opacity=0.5).encode(
        x=alt.X("expected:Q", title="y_test", scale=alt.Scale(zero=False)),
        y=alt.Y("board:Q", title="board", scale=alt.Scale(zero=False)),
        tooltip=["expected:Q", "board:Q"],
    )  # fmt: skip
    diagonal = (
        alt.Chart(inline([{"expected": end, "board": end} for end in ends]))
        .mark_line(color=ORANGE, strokeDash=[4, 4])
        .encode(x="expected:Q", y="board:Q")
    )
    return finished(points + diagonal, height=320)


def batches(points: Sequence[tuple[int, float]], fit: LatencyFit | None) -> Spec:
    """Draw the time of a batch over its size, with the fitted line.

    Args:
        points: (samples, seconds) of each run.
        fit: the fit T(N) = a + b N.
    """
    import altair as alt

    values = [{"samples": size, "µs": 1e6 * seconds} for size, seconds in points]
    logarithmic = alt.Scale(type="log", nice=False)
    encoded = {
        "x": alt.X("samples:Q", title="samples in the batch", scale=logarithmic),
        "y": alt.Y("µs:Q", title="time (µs)", scale=logarithmic),
        "tooltip": ["samples:Q", alt.Tooltip("µs:Q", format=".4g")],
    }
    measured = alt.Chart(inline(values)).mark_point(color=BLUE, filled=True).encode(**encoded)
    if fit is None:
        return finished(measured, height=280)
    sizes = [size for size, _ in points]
    line = [
        {"samples": float(size), "µs": 1e6 * (fit.overhead_s + fit.per_sample_s * size)}
        for size in np.geomspace(min(sizes), max(sizes), 50)
    ]
    fitted = alt.Chart(inline(line)).mark_line(color=ORANGE).encode(**encoded)
    text = f"fit: {1e6 * fit.overhead_s:.3g} µs + {1e6 * fit.per_sample_s:.3g} µs a sample"
    return finished((fitted + measured).properties(title=text), height=280)


def distribution(singles: Sequence[float]) -> Spec:
    """Draw the share of runs of one sample that took at most so long.

    Args:
        singles: seconds of each run.
    """
    import altair as alt

    ordered = sorted(singles)
    values = [
        {"µs": 1e6 * seconds, "share of runs": (number + 1) / len(ordered)}
        for number, seconds in enumerate(ordered)
    ]
    drawn = alt.Chart(inline(values)).mark_line(color=BLUE, interpolate="step-after").encode(
        x=alt.X("µs:Q", title="time of one sample (µs)", scale=alt.Scale(zero=False)),
        y=alt.Y("share of runs:Q", axis=alt.Axis(format="%")),
        tooltip=[alt.Tooltip("µs:Q", format=".4g"), alt.Tooltip("share of runs:Q", format=".1%")],
    )  # fmt: skip
    return finished(drawn, height=200)


def utilisation(used: Utilisation) -> Spec:
    """Draw the used share of each resource of the part."""
    shares = resource_shares(used)
    values = [
        {
            "name": resource_label(name),
            "value": share,
            "label": f"{getattr(used.used, name):,g} of {getattr(used.available, name):,g}",
        }
        for name, share in shares.items()
    ]
    most = max(1.0, *shares.values())
    return _bars(values, title=f"used, {used.stage}", most=most, percent=True)


def layers(estimates: Sequence[LayerEstimate]) -> Spec:
    """Draw the clocks that each layer of a folded core takes for a sample."""
    clocks: dict[str, int] = {}
    for each in estimates:
        if each.layer:  # queues and converters between layers have no name
            clocks[each.layer] = max(each.clocks, clocks.get(each.layer, 0))
    values = [{"name": n, "value": most, "label": f"{most:,}"} for n, most in clocks.items()]
    return _bars(values, title="clocks a sample, estimated")


def steps(seconds: Mapping[str, float]) -> Spec:
    """Draw the time of each step of a run.

    Args:
        seconds: seconds by step, in order.
    """
    values = [{"name": n, "value": s, "label": f"{s:.1f} s"} for n, s in seconds.items()]
    return _bars(values, title="time (s)")


def _bars(values: Values, title: str, most: float | None = None, *, percent: bool = False) -> Spec:
    """Draw horizontal bars in their order, each with its label behind it."""
    import altair as alt

    end = 1.4 * (most or max((each["value"] for each in values), default=1.0) or 1.0)
    base = alt.Chart(inline(values)).encode(
        x=alt.X(
            "value:Q",
            title=title,
            scale=alt.Scale(domain=[0, end], nice=False),
            # In a narrow page, a title from the middle would end beyond it.
            axis=alt.Axis(
                format="%" if percent else "~s", tickCount=5, titleAnchor="end", titleAlign="right"
            ),
        ),
        y=alt.Y("name:N", title=None, sort=None),
        tooltip=["name:N", "label:N"],
    )
    labels = base.mark_text(align="left", dx=4, color="currentColor").encode(text="label:N")
    return finished(base.mark_bar(color=BLUE) + labels, height=26 * len(values) + 10)


def inline(values: Values) -> "alt.InlineData":
    """Return data that are embedded in the chart."""
    import altair as alt

    return alt.InlineData(values=values)


def finished(chart: "alt.LayerChart | alt.Chart", height: int) -> Spec:
    """Return the specification of a chart as wide as its frame, in the page's colours."""
    sized = chart.properties(width="container", height=height, background="transparent")
    quiet = {"labelColor": "currentColor", "titleColor": "currentColor", "gridOpacity": 0.2}
    spec: Spec = sized.configure(
        axis={**quiet, "domainColor": "currentColor", "tickColor": "currentColor"},
        legend={"labelColor": "currentColor"},
        title={"color": "currentColor", "fontWeight": "normal", "anchor": "start"},
        view={"stroke": None},
    ).to_dict()
    return spec


def png(chart: Spec) -> bytes:
    """Return a picture of a chart, which depends on the chart alone."""
    import vl_convert

    picture: bytes = vl_convert.vegalite_to_png(chart)
    return picture


def data_url(picture: bytes) -> str:
    """Return a URL that contains the PNG itself, so it needs no file server and never expires."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()
