"""A sweep's report in a few lines: its Pareto front as a picture and a table, and what failed."""

from collections.abc import Callable
from pathlib import Path

from tasks.reporting import charts
from tasks.reporting.key_figures import text
from tasks.reporting.page import complete
from tasks.reporting.report import plain, table
from tasks.sweeps import page
from tasks.sweeps.results import PointResult, SweepReport, as_csv, as_parquet, rows

LABELS = {
    "accuracy": "accuracy on the board",
    "latency_us": "latency (µs)",
    "inferences_per_s": "inferences a second",
    "lut": "LUT",
}
MOST_NUMBERED = 12
MOST_ROWS = 200
# As many as fit beside what Prefect's UI tells of an artifact.
SHOWN = ("accuracy", "latency (µs)", "LUT", "DSP")
DECADE = 10


def write(report: SweepReport, page_of: Callable[[str], str] = lambda _: "") -> str:
    """Write the page and the other files of a sweep, and return its text in Markdown.

    Args:
        report: the sweep's results.
        page_of: returns the URL of a flow run; empty if there is none.
    """
    directory = Path(report.directory)
    directory.mkdir(parents=True, exist_ok=True)
    png = charts.png(pareto(report))
    text = markdown(report, png)
    (directory / "pareto.png").write_bytes(png)
    (directory / "points.csv").write_text(as_csv(report), encoding="utf-8")
    parquet = as_parquet(report)
    if parquet is not None:
        (directory / "points.parquet").write_bytes(parquet)
    (directory / "sweep.json").write_text(report.model_dump_json(indent=1), encoding="utf-8")
    (directory / "report.md").write_text(text, encoding="utf-8")
    written = complete(page.write(report, summary(report), page_of))
    (directory / "report.html").write_text(written, encoding="utf-8")
    return text


def files(report: SweepReport) -> list[tuple[str, Path]]:
    """Return what was written of a sweep, the page first, each with what it is."""
    names = {
        "page": "report.html",
        "text": "report.md",
        "points": "points.csv",
        "points, typed": "points.parquet",
        "picture": "pareto.png",
        "record": "sweep.json",
    }
    paths = [(what, Path(report.directory) / name) for what, name in names.items()]
    return [(what, path) for what, path in paths if path.exists()]


def summary(report: SweepReport) -> str:
    """Return the number of points in each state, as one line."""
    states = ("done", "stored", "failed", "pruned", "not run")
    counts = [f"{report.count(state)} {state}" for state in states if report.count(state)]  # type: ignore[arg-type]  # the states of PointState
    return f"{len(report.results)} points: {', '.join(counts)}"


def markdown(report: SweepReport, png: bytes) -> str:
    """Return the whole report, with the picture embedded in the text."""
    sections = [f"# Sweep {report.name}", f"{summary(report)}."]
    measured = [each for each in report.results if each.figures is not None]
    if any(each.figures is not None and each.figures.simulated for each in measured):
        sections.append(
            "Simulated: measured on a twin. Times are clock cycles of the simulated design at "
            "the clock read back; they were not measured on hardware."
        )
    if measured:
        sections += [
            f"## Pareto front\n\n![accuracy, latency and LUT]({charts.data_url(png)})",
            _front(report),
        ]
    sections.append(f"Every point: `{report.directory}`, in report.html and points.csv")
    failed = [each for each in report.results if each.message]
    if failed:
        sections.append("## Messages\n\n" + "\n".join(_why(each) for each in failed[:MOST_ROWS]))
    return "\n\n".join(sections) + "\n"


def _why(each: PointResult) -> str:
    message = " ".join(each.message.split())
    return f"- **{plain(each.point.name)}** ({each.state}): {plain(message)}"


def _front(report: SweepReport) -> str:
    """Return the points of the front, numbered as in the picture."""
    chosen = [row for row in rows(report) if row["point"] in report.front]
    cells = [
        [str(number), str(row["point"]), *(text(name, row[name]) for name in SHOWN)]
        for number, row in enumerate(chosen, 1)
    ]
    shown = table(("no.", "point", *SHOWN), cells[:MOST_ROWS])
    left = len(chosen) - MOST_ROWS
    return shown if left <= 0 else f"{shown}\n\nand {left} more in points.csv"


def pareto(report: SweepReport) -> charts.Spec:
    """Draw accuracy over LUTs and latency, and LUTs over the rate.

    Points without one of the figures are left out; those of a small front have their numbers.
    """
    import altair as alt

    names = [each.point.name for each in report.results]
    front = [name for name in names if name in report.front]
    numbers = {name: number for number, name in enumerate(front, 1)}
    values = [
        {
            **each.figures.model_dump(include=set(LABELS)),
            "number": numbers.get(each.point.name),
            "group": "Pareto front" if each.point.name in numbers else "other points",
        }
        for each in report.results
        if each.figures is not None
    ]
    values.sort(key=lambda each: each["number"] is not None)  # the front is drawn over the others
    groups = {"Pareto front": charts.ORANGE, "other points": charts.BLUE}
    colours = alt.Scale(domain=list(groups), range=list(groups.values()))
    base = alt.Chart(charts.inline(values)).properties(width=220, height=180)
    panels = []
    for x, y in (("lut", "accuracy"), ("latency_us", "accuracy"), ("inferences_per_s", "lut")):
        there = [each[x] for each in values if each[x] is not None]
        wide = x == "inferences_per_s" and there and max(there) > DECADE * min(there)
        scale = alt.Scale(type="log") if wide else alt.Scale(zero=False)
        placed = base.transform_filter(f"isValid(datum.{x}) && isValid(datum.{y})").encode(
            x=alt.X(f"{x}:Q", title=LABELS[x], scale=scale, axis=alt.Axis(format="~s")),
            y=alt.Y(
                f"{y}:Q",
                title=LABELS[y],
                scale=alt.Scale(zero=False),
                axis=alt.Axis(format=".2%" if y == "accuracy" else ",.0f"),
            ),
        )
        points = placed.mark_point(filled=True, size=60).encode(
            color=alt.Color("group:N", title=None, scale=colours, legend=alt.Legend(orient="top"))
        )
        named = placed.transform_filter("isValid(datum.number)")
        labels = named.mark_text(align="left", dx=6, dy=-6).encode(text="number:Q")
        panels.append(points + labels if len(front) <= MOST_NUMBERED else points)
    spec: charts.Spec = alt.hconcat(*panels).to_dict()
    return spec
