"""Flows that keep a server's machines in order: prune_store weekly, clean_up after a crash."""

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
    """Remove the store's least recently used entries, which later runs build again.

    What failed builds of toolchain vivado left goes at the same age.

    Args:
        older_than_days: entries that no run used for so many days go.
        keep_gb: of the others, the oldest go until no more than this is left.
    """
    run_logs.set_up()
    age = timedelta(days=older_than_days)
    removed = open_store().prune(older_than=age, keep_bytes=int(keep_gb * GIGA))
    bundle.prune(failures(), age)
    return len(removed)


@flow(name="clean-up", retries=0)
def clean_up() -> None:
    """Remove what dead runs left on this machine; what living processes use is locked and stays.

    The server starts it when a run has crashed. Tools end with their run by themselves (the
    guard), and so does a board's lock; half-written store entries are what is left.
    """
    run_logs.set_up()
    open_store().prune()
