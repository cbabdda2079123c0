"""Give a flow run a board: Prefect's limit is the queue, the lease on the board is the lock."""

import contextlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager

from prefect.runtime import flow_run

from board.kinds import board_kinds
from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
from tasks.boards.lease_answers import Lease
from tasks.core.errors import InputError
from tasks.core.records.settings import MeasureSettings
from tasks.orchestration import board_block, board_page
from tasks.orchestration.queues import slot

log = logging.getLogger(__name__)

# Allowance for the transfer, on top of the measurement; the lease ends with the flow anyway.
_TRANSFER_S = 900.0
# The shortest that Prefect allows.
_SLOT_S = 60.0


def refuse_other_parts(board: str, kind: str) -> None:
    """Refuse boards on which no design for a board kind can run, before it is built.

    Args:
        board: a name or a requirement.
        kind: an entry of board/kinds.toml, for which the design is built.

    Raises:
        InputError: every matching board has another part.
        BoardError: no board matches.
    """
    part, found = board_kinds()[kind].part, board_block.matching(board)
    parts = sorted({board_kinds()[each.kind].part for each in found})
    if part not in parts:
        raise InputError(
            f"the design would be for {kind}, which has {part}, but here is {' or '.join(parts)}",
            where=", ".join(each.label for each in found),
            remedy=f"build for this board's kind (--board-kind {found[0].kind}), or choose "
            "another board",
        )


@contextlib.contextmanager
def leased(board: str, purpose: str, settings: MeasureSettings) -> Iterator[Lease]:
    """Hold a board for the duration of the block; release it however the block ends.

    Args:
        board: a name, or a requirement, for which the first free matching board is leased.
        purpose: reason for the lease, shown to others who find the board busy.
        settings: how long to wait for the board and to measure.

    Raises:
        BoardBusyError: the board was still busy when the waiting time was over.
        BoardError: no board matches, or the board cannot be used.
    """
    candidates = board_block.matching(board)
    duration_s = settings.deadline_s + _TRANSFER_S
    run = (str(flow_run.id or ""), str(flow_run.name or ""))
    addresses = {each.name: each for each in candidates}
    with contextlib.ExitStack() as waits, contextlib.ExitStack() as over:
        for each in candidates:
            waits.enter_context(board_page.waiting(each))
        with (
            _queued(candidates, settings.wait_s),
            lease(
                candidates, purpose, duration_s=duration_s, wait_s=settings.wait_s, flow_run=run
            ) as mine,
        ):
            log.info("board %s is leased", mine.board)
            waits.close()
            # Then it goes back to whoever had reserved it.
            over.callback(board_page.refresh_as_found, addresses[mine.board])
            board_page.refresh(addresses[mine.board], state=board_page.taken(mine))
            yield mine


def _queued(candidates: list[BoardAddress], wait_s: float) -> AbstractContextManager[None]:
    """Wait in the board's queue in Prefect if there is only one candidate; then ask the board."""
    if len(candidates) > 1:
        return contextlib.nullcontext()
    name = board_block.QUEUE_PREFIX + candidates[0].name
    return slot(name, lasts_s=_SLOT_S, wait_s=max(wait_s, 1.0))
