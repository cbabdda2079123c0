"""Show the history of a project's runs in Markdown: a picture, then a table."""

from collections.abc import Sequence

from tasks.core.records.measurement import Run
from tasks.reporting import history, plots, report


def markdown(project: str, runs: Sequence[Run]) -> str:
    """Return a page about the last runs of a project.

    Args:
        project: the project's name.
        runs: the runs, newest first.
    """
    picture = plots.data_url(plots.series(list(reversed(runs))))
    sections = [f"# {project}: {len(runs)} runs", f"![figures over runs]({picture})"]
    sections.append(report.table(history.LINE, [history.line(run) for run in runs]))
    sections.append(history.SIMULATED)
    return "\n\n".join(sections) + "\n"
