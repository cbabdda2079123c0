"""Step benchmark: measure a deployed package on its board."""

from prefect import task

from tasks.boards.lease_answers import Lease
from tasks.core.records.measurement import Deployment, Measurement
from tasks.core.records.settings import MeasureSettings
from tasks.orchestration import board_block, retries, run_names, run_times
from tasks.orchestration.caching import open_store
from tasks.steps import measuring


@task(
    name="benchmark",
    task_run_name="benchmark {deployment.package.manifest.project_name} on {deployment.board}",
    retries=retries.RETRIES,
    retry_delay_seconds=retries.BACKOFF,
    retry_jitter_factor=retries.JITTER,
    retry_condition_fn=retries.is_transient,
)
@run_times.timed
def benchmark(deployment: Deployment, settings: MeasureSettings, lease: Lease) -> Measurement:
    """Run the benchmark on the board; the result is never cached, as measurements vary."""
    address = board_block.address(deployment.board)
    return measuring.benchmark(
        open_store(), address, deployment, settings, lease_id=lease.id, run_id=run_names.attempt()
    )
