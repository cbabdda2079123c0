"""A sweep's page: any two figures against each other, the front, estimates beside truth, tables."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tasks.reporting import key_figures, page
from tasks.reporting.charts import BLUE, ORANGE, Spec, Values, finished, inline
from tasks.sweeps.results import SweepReport, rows

if TYPE_CHECKING:
    import altair as alt

# Figures to choose from; the first two are shown first.
AXES = (
    "latency (µs)", "LUT", "accuracy", "interval (cycles)", "inferences/s", "DSP", "BRAM 36k", "FF",
    "RMSE",
)  # fmt: skip
COLUMNS = (
    "point", "state", "gates", "pareto", "accuracy", "latency (µs)", "interval (cycles)",
    "inferences/s", "LUT", "LUT estimated", "DSP", "DSP estimated", "BRAM 36k",
)  # fmt: skip
HEIGHT = 360


def write(report: SweepReport, summary: str, page_of: Callable[[str], str]) -> str:
    """Return the page.

    Args:
        report: the sweep's results.
        summary: how many points are in each state.
        page_of: returns the URL of a flow run; empty if there is none.
    """
    table = [
        {**row, "page": page_of(run) if (run := str(row["flow run"] or "")) else ""}
        for row in rows(report)
    ]
    measured = [row for row in table if row["LUT"] is not None or row["accuracy"] is not None]
    charts: dict[str, Spec] = {}
    if measured:
        varied = list(dict.fromkeys(name for each in report.results for name in each.point.varied))
        charts["Measured points: choose the axes"] = scatter(measured, varied)
    guessed = [
        {"point": row["point"], "resource": name, "estimated": row[f"{name} estimated"],
         "counted": row[name]}
        for row in measured for name in ("LUT", "DSP")
        if row[name] is not None and row[f"{name} estimated"] is not None
    ]  # fmt: skip
    if guessed:
        charts["Estimated before the tools ran, against counted"] = estimates(guessed)
    front = [row for row in table if row["pareto"]]
    columns = [name for name in COLUMNS[1:] if any(row[name] is not None for row in table)]
    return page.render(
        "sweep.html",
        f"Sweep {report.name}",
        summary=summary,
        simulated=any(row["simulated"] == "yes" for row in table),
        charts=charts,
        tables={"Pareto front": front, "Points": table} if front else {"Points": table},
        columns=columns,
        text=key_figures.text,
        messages=[each for each in report.results if each.message],
    )


def scatter(measured: Values, varied: list[str]) -> Spec:
    """Draw the measured points over two figures, which the reader chooses.

    Args:
        measured: rows of the points, with the URL of each run.
        varied: the settings in which points differ, shown on hover.
    """
    import altair as alt

    known = [name for name in AXES if any(row.get(name) is not None for row in measured)]
    # Other names than the figures': Vega reads a dot or a bracket in a field's name as a path.
    fields = {name: f"f{number}" for number, name in enumerate(known)}
    settings = {name: f"s{number}" for number, name in enumerate(varied)}
    values = [
        {
            **{field: row[name] for name, field in fields.items()},
            **{field: str(row.get(name)) for name, field in settings.items()},
            "point": row["point"],
            "front": "Pareto front" if row["pareto"] else "other points",
            "gates": row["gates"],
            "page": row["page"],
        }
        for row in measured
    ]
    ways = [_choice(way, fields, start) for way, start in (("x", 0), ("y", min(1, len(known) - 1)))]
    base = alt.Chart(inline(values))
    for way in ways:
        base = base.transform_calculate(as_=f"{way.name}_value", calculate=f"datum[{way.name}]")
    drawn = base.transform_filter(
        "isValid(datum.x_value) && isValid(datum.y_value)"
    ).mark_point(filled=True, size=90, opacity=0.85).encode(
        x=alt.X("x_value:Q", title=None, scale=alt.Scale(zero=False)),
        y=alt.Y("y_value:Q", title=None, scale=alt.Scale(zero=False)),
        color=alt.Color(
            "front:N", title=None, legend=alt.Legend(orient="top"),
            scale=alt.Scale(domain=["Pareto front", "other points"], range=[ORANGE, BLUE]),
        ),
        shape=alt.Shape("front:N", legend=None),
        tooltip=[
            alt.Tooltip("point:N"), alt.Tooltip("gates:N"),
            *(alt.Tooltip(f"{field}:N", title=name) for name, field in settings.items()),
            *(alt.Tooltip(f"{field}:Q", title=name, format=_format(name))
              for name, field in fields.items()),
        ],
    )  # fmt: skip
    if any(row["page"] for row in measured):
        drawn = drawn.encode(href="page:N")
    return finished(drawn.add_params(*ways), HEIGHT)


def _choice(way: str, fields: dict[str, str], start: int) -> "alt.Parameter":
    import altair as alt

    names = list(fields)
    menu = alt.binding_select(options=list(fields.values()), labels=names, name=f"{way} ")
    return alt.param(name=way, bind=menu, value=fields[names[start]])


def _format(name: str) -> str:
    return ".2%" if name in key_figures.SHARES else ",.4~r"


def estimates(guessed: Values) -> Spec:
    """Draw what was estimated of a resource over what was counted, with the line of equals."""
    import altair as alt

    most = max(max(row["estimated"], row["counted"]) for row in guessed)
    equal = alt.Chart(inline([{"counted": end, "estimated": end} for end in (0, most)])).mark_line(
        color=ORANGE, strokeDash=[4, 4]
    ).encode(x="counted:Q", y="estimated:Q")  # fmt: skip
    points = alt.Chart(inline(guessed)).mark_point(filled=True, size=70).encode(
        x=alt.X("counted:Q", title="counted"),
        y=alt.Y("estimated:Q", title="estimated"),
        color=alt.Color("resource:N", title=None, legend=alt.Legend(orient="top")),
        tooltip=["point:N", "resource:N", "estimated:Q", "counted:Q"],
    )  # fmt: skip
    return finished(equal + points, HEIGHT)
