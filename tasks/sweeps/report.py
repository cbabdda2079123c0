"""A sweep's report in a few lines: its Pareto front as a picture and a table, and what failed."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes

from tasks.reporting import plots
from tasks.reporting.key_figures import text
from tasks.reporting.page import complete
from tasks.reporting.report import plain, table
from tasks.sweeps import page
from tasks.sweeps.results import PointResult, SweepReport, as_csv, as_parquet, rows

LABELS = {
    "accuracy": "accuracy on the board",
    "latency_us": "latency / µs",
    "inferences_per_s": "inferences a second",
    "lut": "LUT",
}
MOST_NUMBERED = 12
MOST_ROWS = 200
# As many as fit beside what Prefect's UI tells of an artifact.
SHOWN = ("accuracy", "latency/us", "LUT", "DSP")
DECADE = 10


def write(report: SweepReport, page_of: Callable[[str], str] = lambda _: "") -> str:
    """Write the page and the other files of a sweep, and return its text in Markdown.

    Args:
        report: the sweep's results.
        page_of: returns the URL of a flow run; empty if there is none.
    """
    directory = Path(report.directory)
    directory.mkdir(parents=True, exist_ok=True)
    png = pareto(report)
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
            f"## Pareto front\n\n![accuracy, latency and LUT]({plots.data_url(png)})",
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


def pareto(report: SweepReport) -> bytes:
    """Return a PNG of accuracy over LUTs and latency, and of LUTs over the rate, with the front.

    Points without one of the figures are left out; those of a small front have their numbers.
    """
    figure = plots.canvas(14.4, 4.4)
    figures = (("lut", "accuracy"), ("latency_us", "accuracy"), ("inferences_per_s", "lut"))
    for axes, names in zip(figure.subplots(1, len(figures)), figures, strict=True):
        _scatter(axes, report, *names)
    rates = [x for x, _, _ in _places(report, *figures[-1])]
    if rates and max(rates) > DECADE * min(rates):
        axes.set(xscale="log")
    axes.legend(loc="best")
    return plots.png(figure)


def _scatter(axes: Axes, report: SweepReport, x_name: str, y_name: str) -> None:
    every = _places(report, x_name, y_name)
    for on_front in (False, True):
        found = [each for each in every if bool(each[2]) == on_front]
        axes.plot(
            [x for x, _, _ in found],
            [y for _, y, _ in found],
            "o" if on_front else "x",
            color="tab:red" if on_front else "tab:gray",
            label="Pareto front" if on_front else "other points",
        )
        for x, y, number in found if on_front and len(found) <= MOST_NUMBERED else ():
            axes.annotate(str(number), (x, y), xytext=(5, 5), textcoords="offset points")
    axes.set(xlabel=LABELS[x_name], ylabel=LABELS[y_name])
    axes.grid(visible=True, alpha=0.3)


def _places(report: SweepReport, x_name: str, y_name: str) -> list[tuple[float, float, int]]:
    """Return two figures of each point and its number on the front, which is 0 off it."""
    places, on_front = [], 0
    for each in report.results:
        on_front += each.point.name in report.front
        if each.figures is not None:
            x, y = (getattr(each.figures, name) for name in (x_name, y_name))
            if x is not None and y is not None:
                places.append((x, y, on_front if each.point.name in report.front else 0))
    return places
