"""Prefect's limits as queues: they show who waits, and keep nobody from going on for ever."""

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
    """Waits for a slot of a limit, where that exists, and holds it for the length of the block.

    A limit is no lock: after a restart of the server its slot may stay taken for ever. So whoever
    has waited long enough goes on, as does whoever finds the server away, before or after the
    block.

    Args:
        name: of the limit.
        lasts_s: after which the slot of a process that is gone is free again, 60 at least; the
            slot of one that lives is renewed.
        wait_s: the longest wait; None for as long as it takes.
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
            "Prefect's limit %s is taken since %.0f s; going on without it. If it is stuck: "
            "prefect gcl update %s --active-slots 0",
            name, wait_s, name,
        )  # fmt: skip
    except httpx.HTTPError as error:
        log.warning("going on without the limit %s: %s", name, error)
    try:
        yield
    finally:
        try:
            taken.close()
        except httpx.HTTPError as error:
            log.warning("the limit %s is free in %.0f s only: %s", name, lasts_s, error)


def _exists(name: str) -> bool:
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return False
    return True
