"""Step validate: what the board computed is held against the C simulation."""

from prefect import task

from tasks import baselines, run_times, verdict
from tasks.caching import open_store
from tasks.gates import GateSettings
from tasks.packaging.archive import NAME
from tasks.records import Measurement, Verdict
from tasks.settings import store_url


@task(
    name="validate",
    task_run_name="validate {measurement.deployment.package.manifest.project_name}",
)
@run_times.timed
def validate(measurement: Measurement, limits: GateSettings) -> Verdict:
    """Compare outputs sample by sample, clock, accuracy, baseline; the gates say what passed."""
    deployment = measurement.deployment
    archive = open_store().files(deployment.package.entry) / NAME
    judged = verdict.judge(measurement, verdict.outputs(measurement, archive), limits)
    project = deployment.package.manifest.project_name
    baseline = baselines.find(store_url(), project, deployment.board)
    if baseline is None:
        return judged
    gates = (*judged.gates, *baselines.compare(judged, baseline, limits))
    return judged.model_copy(update={"gates": gates})
