"""Flows that tidy up a server's machines: prune_store weekly, clean_up after a crash."""

from datetime import timedelta
from typing import Annotated

from prefect import flow
from pydantic import Field

from tasks.core.settings import failures
from tasks.orchestration import run_logs
from tasks.orchestration.caching import open_store
from tasks.toolchains.vivado import bundle

GIGA = 10**9


@flow(name="prune-store", retries=0)
def prune_store(
    older_than_days: Annotated[int, Field(ge=1)] = 60,
    keep_gb: Annotated[float, Field(gt=0)] = 50.0,
) -> int:
    """Remove the least recently used entries of the store; a later run that needs one rebuilds it.

    Failure bundles of Vivado builds are removed at the same age.

    Args:
        older_than_days: Remove entries that no run has used for this many days.
        keep_gb: Then remove the least recently used entries until at most this many GB are left.
    """
    run_logs.set_up()
    age = timedelta(days=older_than_days)
    removed = open_store().prune(older_than=age, keep_bytes=int(keep_gb * GIGA))
    bundle.prune(failures(), age)
    return len(removed)


@flow(name="clean-up", retries=0)
def clean_up() -> None:
    """Remove what dead runs left on this machine; whatever live processes use is locked and stays.

    The server starts this flow when a run has crashed. The guard stops a dead run's tools, and the
    board's lock ends with the connection, so only half-written store entries are left.
    """
    run_logs.set_up()
    open_store().prune()
