"""Step publish_sweep: turn a sweep's results into files, a table and a Pareto report."""

import logging

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.publish import artifact_key, page_of
from tasks.sweeps import report as reports
from tasks.sweeps.results import SweepReport, rows

log = logging.getLogger(__name__)


@task(name="publish sweep")
def publish_sweep(report: SweepReport) -> SweepReport:
    """Write the sweep's files, then publish its artifacts."""
    text = reports.write(report, page_of)
    log.info("%s; %s", reports.summary(report), report.directory)
    key = artifact_key(report.name)
    create_table_artifact(rows(report), key=f"sweep-{key}-points", description="Every point")
    create_markdown_artifact(text, key=f"sweep-{key}-report", description="Pareto front and points")
    return report
