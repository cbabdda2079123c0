"""A board for a flow run: Prefect's limit is the queue, the lease on the board is the lock."""

import contextlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager

from prefect.runtime import flow_run

from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
from tasks.boards.lease_answers import Lease
from tasks.core.records.settings import MeasureSettings
from tasks.orchestration import board_block
from tasks.orchestration.queues import slot

log = logging.getLogger(__name__)

# What a transfer may take on top of the measurement; the lease ends with the flow anyway.
_TRANSFER_S = 900.0
# Prefect's shortest.
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


def _queued(candidates: list[BoardAddress], wait_s: float) -> AbstractContextManager[None]:
    """Prefect's queue of the board, where one board is meant; then the board itself is asked."""
    if len(candidates) > 1:
        return contextlib.nullcontext()
    name = board_block.QUEUE_PREFIX + candidates[0].name
    return slot(name, lasts_s=_SLOT_S, wait_s=max(wait_s, 1.0))
