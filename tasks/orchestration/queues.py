"""Prefect's limits as queues: they show who is waiting, and never block a run indefinitely."""

import contextlib
import logging
from collections.abc import Iterator

import httpx
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

log = logging.getLogger(__name__)


@contextlib.contextmanager
def slot(name: str, *, lasts_s: float, wait_s: float | None = None) -> Iterator[None]:
    """Wait for a slot of a limit, if the limit exists, and hold it for the duration of the block.

    A limit is not a lock: after a server restart its slot may stay taken forever. A run that has
    waited long enough therefore continues without a slot, as does a run that cannot reach the
    server before or after the block.

    Args:
        name: name of the limit.
        lasts_s: seconds after which the slot of a dead process is released, at least 60; a live
            process renews its slot.
        wait_s: the longest wait; None to wait as long as it takes.
    """
    taken = contextlib.ExitStack()
    try:
        if _exists(name):
            log.info("waiting for the limit %s", name)
            taken.enter_context(
                concurrency(
                    name,
                    timeout_seconds=wait_s,
                    lease_duration=lasts_s,
                    raise_on_lease_renewal_failure=False,
                )
            )
    except TimeoutError:
        log.warning(
            "no slot of Prefect's limit %s was free for %.0f s; continuing without one. If the "
            "limit is stuck: prefect gcl update %s --active-slots 0",
            name, wait_s, name,
        )  # fmt: skip
    except httpx.HTTPError as error:
        log.warning("continuing without the limit %s: %s", name, error)
    try:
        yield
    finally:
        try:
            taken.close()
        except httpx.HTTPError as error:
            log.warning("the limit %s stays taken for %.0f s: %s", name, lasts_s, error)


def _exists(name: str) -> bool:
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return False
    return True
