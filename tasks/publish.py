"""Step publish: what a run found becomes artifacts, a report and a line of the history."""

import json
from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.events import emit_event
from prefect.runtime import flow_run

from tasks import verdict as verdicts
from tasks.caching import open_store
from tasks.packaging.archive import NAME
from tasks.records import Run, Verdict
from tasks.reporting import figures, history, report
from tasks.reporting.pictures import pictures
from tasks.settings import store_url


@task(
    name="publish",
    task_run_name="publish {verdict.measurement.deployment.package.manifest.project_name}",
)
def publish(verdict: Verdict) -> Run:
    """Write the report, the artifacts and the history; emit an event with the figures."""
    measurement = verdict.measurement
    manifest = measurement.deployment.package.manifest
    archive = open_store().files(measurement.deployment.package.entry) / NAME
    images = pictures(verdict, verdicts.outputs(measurement, archive))
    text = report.markdown(verdict, images)
    (Path(measurement.directory) / "report.md").write_text(text)

    prefix = _key(manifest.project_name)
    create_markdown_artifact(text, key=f"{prefix}-report", description="verdict and figures")
    create_table_artifact(
        [{"figure": label, "value": value} for label, value in figures.rows(verdict)],
        key=f"{prefix}-results",
        description="figures of the run",
    )

    run = Run(
        flow_run_id=str(flow_run.id),
        flow_run_name=str(flow_run.name),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=verdict,
    )
    history.add(store_url(), run)
    emit_event(
        "overlayflow.run.passed" if verdict.passed else "overlayflow.run.failed",
        resource={"prefect.resource.id": f"overlayflow.model.{manifest.model_digest[:12]}"},
        payload=json.loads(run.model_dump_json()),
    )
    return run


def _key(text: str) -> str:
    """A text as part of an artifact's key, which may hold a-z, 0-9 and dashes."""
    kept = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in text)
    return kept.lower().strip("-")
