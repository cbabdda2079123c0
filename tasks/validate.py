"""Step validate: what the board computed is held against the C simulation."""

from prefect import task

from tasks import verdict
from tasks.caching import open_store
from tasks.gates import GateSettings
from tasks.packaging.archive import NAME
from tasks.records import Measurement, Verdict


@task(
    name="validate",
    task_run_name="validate {measurement.deployment.package.manifest.project_name}",
)
def validate(measurement: Measurement, limits: GateSettings) -> Verdict:
    """Compare outputs sample by sample, clock and accuracy; the gates say what passed."""
    archive = open_store().files(measurement.deployment.package.entry) / NAME
    return verdict.judge(measurement, verdict.outputs(measurement, archive), limits)
