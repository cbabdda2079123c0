"""Step publish_sweep: turn a sweep's results into files, a table and a Pareto report."""

import logging
from collections import Counter

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.core.settings import mlflow_uri, store_url
from tasks.orchestration.artifacts import artifact_key, page_of
from tasks.reporting import tracker
from tasks.sweeps import report as reports
from tasks.sweeps.results import SweepReport, find, rows

log = logging.getLogger(__name__)


@task(name="publish sweep")
def publish_sweep(report: SweepReport) -> SweepReport:
    """Write the sweep's files, then publish its artifacts."""
    text = reports.write(report, page_of)
    tracked = _track(report)
    if tracked:
        text += f"\n[The sweep in MLflow]({tracked})\n"
    log.info("%s; %s", reports.summary(report), report.directory)
    key = artifact_key(report.name)
    create_table_artifact(rows(report), key=f"sweep-{key}-points", description="Every point")
    create_markdown_artifact(text, key=f"sweep-{key}-report", description="Pareto front and points")
    return report


def _track(report: SweepReport) -> str:
    """Log the sweep to MLflow, if a server is named, and return the URL of its page."""
    if not mlflow_uri():
        return ""
    measured = [each.point for each in report.results if each.flow_run_id]
    runs = list(find(store_url(), measured).values())
    states = Counter(each.state.replace(" ", "_") for each in report.results)
    files = [path for _, path in reports.files(report)]
    flow_run = (report.flow_run_id, page_of(report.flow_run_id))
    return tracker.log_sweep(report.name, runs, states, files, flow_run)
