"""Step validate: compare what the board computed with the C simulation."""

import logging

from prefect import task

from tasks.core.errors import StoreError
from tasks.core.records.measurement import Measurement, Verdict
from tasks.core.settings import store_url
from tasks.orchestration import run_times
from tasks.orchestration.caching import open_store
from tasks.packaging.archive import PACKAGE_FILE
from tasks.quality import baselines, outputs
from tasks.quality.gates import GateSettings
from tasks.steps import measuring

log = logging.getLogger(__name__)


@task(
    name="validate",
    task_run_name="validate {measurement.deployment.package.manifest.project_name}",
)
@run_times.timed
def validate(measurement: Measurement, limits: GateSettings) -> Verdict:
    """Compare outputs sample by sample, clock, accuracy and baseline; each gives a gate."""
    store = open_store()  # kept: what it hands out is in use as long as it exists
    measurement = measuring.at_hand(store, measurement)
    deployment = measurement.deployment
    archive = store.files(deployment.package.entry) / PACKAGE_FILE
    judged = outputs.judge(measurement, outputs.outputs(measurement, archive), limits)
    manifest = deployment.package.manifest
    try:
        baseline = baselines.find(store_url(), manifest, deployment.board)
    except StoreError as error:  # what was measured counts
        log.warning("not compared with a baseline: %s", error)
        return judged
    if baseline is None:
        return judged
    gates = (*judged.gates, *baselines.compare(judged, baseline, limits))
    return judged.model_copy(update={"gates": gates})
