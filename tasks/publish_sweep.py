"""Step publish_sweep: turn a sweep's results into files, a table and a Pareto report."""

import logging
from collections import Counter

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.core.settings import mlflow_uri, store_url
from tasks.orchestration.artifacts import artifact_key, page_of
from tasks.reporting import tracker
from tasks.reporting.key_figures import text as cell_text
from tasks.sweeps import points
from tasks.sweeps import report as reports
from tasks.sweeps.file import SweepFile
from tasks.sweeps.results import SweepReport, find, rows

log = logging.getLogger(__name__)


@task(name="publish sweep")
def publish_sweep(report: SweepReport) -> SweepReport:
    """Write the sweep's files, then publish its artifacts."""
    text = reports.write(report, page_of)
    tracked = track(report)
    if tracked:
        text += f"\n[The sweep in MLflow]({tracked})\n"
    log.info("%s; %s", reports.summary(report), report.directory)
    key = artifact_key(report.name)
    table = [{name: cell_text(name, cell) for name, cell in row.items()} for row in rows(report)]
    create_table_artifact(table, key=f"sweep-{key}-points", description="Every point")
    create_markdown_artifact(text, key=f"sweep-{key}-report", description="Pareto front")
    return report


def track_begun(file: SweepFile, flow_run_id: str) -> None:
    """Log a sweep to MLflow before its points, if a server is named."""
    if mlflow_uri():
        project = points.first(file).conversion.project_name
        tracker.begin_sweep(file.spec.name, project, (flow_run_id, page_of(flow_run_id)))


def track(report: SweepReport) -> str:
    """Log a sweep's results to MLflow, if a server is named, and return the URL of its page."""
    if not mlflow_uri():
        return ""
    project = report.results[0].point.conversion.project_name
    measured = [each.point for each in report.results if each.flow_run_id]
    runs = list(find(store_url(), measured).values())
    states = Counter(each.state.replace(" ", "_") for each in report.results)
    files = [path for _, path in reports.files(report)]
    flow_run = (report.flow_run_id, page_of(report.flow_run_id))
    return tracker.end_sweep(
        name=report.name,
        project=project,
        runs=runs,
        metrics=states,
        files=files,
        flow_run=flow_run,
    )
