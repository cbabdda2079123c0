"""Step transfer: bring a package to a board."""

from prefect import task

from tasks.boards.lease_answers import Lease
from tasks.core.records.measurement import Deployment
from tasks.core.records.package import Package
from tasks.orchestration import board_block, retries, run_times
from tasks.orchestration.caching import open_store
from tasks.steps import measuring


@task(
    name="transfer",
    task_run_name="transfer {package.manifest.project_name} to {lease.board}",
    retries=retries.RETRIES,
    retry_delay_seconds=retries.BACKOFF,
    retry_jitter_factor=retries.JITTER,
    retry_condition_fn=retries.is_transient,
)
@run_times.timed
def transfer(package: Package, lease: Lease) -> Deployment:
    """Send a package by SFTP, unless the board already has it, and verify it there."""
    return measuring.deploy(open_store(), package, board_block.address(lease.board))
