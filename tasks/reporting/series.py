"""Show the history of a project's runs in Markdown: a picture, then a table."""

from collections.abc import Sequence

from tasks.core.records.measurement import Run
from tasks.quality.gates import resource_shares
from tasks.reporting import charts, history, report


def markdown(project: str, runs: Sequence[Run]) -> str:
    """Return a page about the last runs of a project.

    Args:
        project: the project's name.
        runs: the runs, newest first; at least one.
    """
    picture = charts.data_url(charts.png(_over_runs(list(reversed(runs)))))
    sections = [f"# {project}: last runs", f"![figures over runs]({picture})"]
    sections.append(report.table(history.LINE, [history.line(run) for run in runs]))
    sections.append(history.SIMULATED)
    return "\n\n".join(sections) + "\n"


def _over_runs(runs: Sequence[Run]) -> charts.Spec:
    """Draw accuracy, latency and utilisation over runs, the oldest first; a line for each board."""
    import altair as alt

    values = [
        {
            "run": number,
            "board": run.verdict.measurement.deployment.board,
            "accuracy": run.figures.accuracy,
            "latency": run.figures.latency_us,
            "resource": _fullest(run),
        }
        for number, run in enumerate(runs, 1)
    ]
    base = alt.Chart(charts.inline(values)).mark_line(point=True).encode(
        x=alt.X("run:O", title="run (newest on the right)", axis=alt.Axis(labelAngle=0)),
        color=alt.Color("board:N", title=None),
    ).properties(width=440, height=110)  # fmt: skip
    curves = {
        "accuracy": alt.Axis(title="accuracy", format="~%"),
        "latency": alt.Axis(title="latency, batch 1 (µs)"),
        "resource": alt.Axis(title="fullest resource", format="%"),
    }
    # Not all projects have an accuracy, nor all packages a count of their resources.
    drawn = [
        base.transform_filter(f"isValid(datum.{name})").encode(
            y=alt.Y(f"{name}:Q", axis=axis, scale=alt.Scale(zero=False))
        )
        for name, axis in curves.items()
        if any(value[name] is not None for value in values)
    ]
    spec: charts.Spec = alt.vconcat(*drawn).to_dict()
    return spec


def _fullest(run: Run) -> float | None:
    """Return the largest share that a run's design takes of any resource, if it is known."""
    used = run.verdict.manifest.utilisation
    return None if used is None else max(resource_shares(used).values())
