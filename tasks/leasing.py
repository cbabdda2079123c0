"""A board for a flow run: Prefect's limit is the queue, the lease on the board is the lock."""

import contextlib
import logging
from collections.abc import Iterator

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from tasks import board_block
from tasks.records import MeasureSettings
from tasks.remote.address import BoardAddress
from tasks.remote.lease import lease
from tasks.remote.lease_answers import Lease

log = logging.getLogger(__name__)

# What a transfer may take on top of the measurement; the lease ends with the flow anyway.
_TRANSFER_S = 900.0
# Prefect's shortest; it renews the slot by itself, and frees it when the flow is gone.
_SLOT_S = 60.0


@contextlib.contextmanager
def leased(board: str, purpose: str, settings: MeasureSettings) -> Iterator[Lease]:
    """Holds a board for the length of the block; it is given back however the block ends.

    Args:
        board: a name, or a requirement: the first free board that fits is taken.
        purpose: what for; whoever finds the board busy reads it.
        settings: how long to wait for it and to measure.

    Raises:
        BoardBusyError: it was busy for all the time that was to be waited.
        BoardError: there is none, or it cannot be used.
    """
    candidates = board_block.matching(board)
    duration_s = settings.deadline_s + _TRANSFER_S
    run = (str(flow_run.id or ""), str(flow_run.name or ""))
    with (
        _queued(candidates, settings.wait_s),
        lease(
            candidates, purpose, duration_s=duration_s, wait_s=settings.wait_s, flow_run=run
        ) as mine,
    ):
        log.info("board %s is leased", mine.board)
        yield mine


@contextlib.contextmanager
def _queued(candidates: list[BoardAddress], wait_s: float) -> Iterator[None]:
    """Waits in Prefect's queue of the board, where there is one and one board is meant.

    The queue shows who waits; it is no lock: after a restart of the server its slot may stay taken
    for ever. So whoever has waited long enough asks the board itself.
    """
    name = board_block.QUEUE_PREFIX + candidates[0].name
    if len(candidates) > 1 or not _exists(name):
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(
                concurrency(
                    name,
                    timeout_seconds=max(wait_s, 1.0),
                    lease_duration=_SLOT_S,
                    raise_on_lease_renewal_failure=False,
                )
            )
        except TimeoutError:
            log.warning(
                "Prefect's limit %s is taken since %.0f s; asking the board itself. If the limit "
                "is stuck: prefect gcl update %s --active-slots 0",
                name, wait_s, name,
            )  # fmt: skip
        yield


def _exists(name: str) -> bool:
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return False
    return True
