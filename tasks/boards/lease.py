"""Takes, holds and releases leases of boards: the right to program the fabric.

board/lease.py decides on the board, and holds the lease while it hears from this side. After a lost
connection the lease is taken again, unless somebody else got the board in the meantime.
"""

import contextlib
import logging
import random
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import paramiko

from tasks.boards.address import BoardAddress
from tasks.boards.lease_answers import Lease, LeaseState, ask, granted, start, told
from tasks.boards.ssh import connect
from tasks.core.errors import BoardBusyError, BoardError
from tasks.core.settings import user

logger = logging.getLogger(__name__)

# The board ends the lease after this much silence from this side.
SILENCE_S = 20.0
_BEAT_S = 5.0
_GIVE_BACK_S = 5.0
# Longer only while reconnecting to the board, which ends the lease by itself.
_RELEASE_S = 12.0
# The interval of asking whether a busy board is free grows from the first to the second.
_POLL_S = (0.1, 5.0)
_POLL_GROWTH = 1.5
# What paramiko raises when a connection ends.
_LOST = (OSError, EOFError, paramiko.SSHException)


def owner() -> str:
    """Return who takes leases here, as user@host."""
    return f"{user()}@{socket.gethostname()}"


@contextlib.contextmanager
def lease(
    boards: Sequence[BoardAddress],
    purpose: str,
    *,
    duration_s: float,
    wait_s: float = 0.0,
    flow_run: tuple[str, str] = ("", ""),
) -> Iterator[Lease]:
    """Lease the first of the boards that is free, for the duration of the block.

    Args:
        boards: acceptable boards.
        purpose: shown to other people.
        duration_s: time after which the lease expires.
        wait_s: how long to wait while all boards are busy.
        flow_run: id and name of the Prefect flow run.

    Raises:
        BoardBusyError: all are busy; the message says who has them, why and until when.
        BoardUnreachableError: none can be reached.
        BoardError: none can be used.
    """
    wanted = _wanted(purpose, flow_run_id=flow_run[0], flow_run_name=flow_run[1])
    keeper = _Keeper(_first_free(boards, wanted, duration_s, wait_s), duration_s)
    try:
        yield keeper.lease
    finally:
        keeper.release()


def reserve(address: BoardAddress, purpose: str, duration_s: float) -> Lease:
    """Reserve a board for a person, until the reservation expires or is released.

    Raises:
        BoardBusyError: somebody has the board.
    """
    mine = _wanted(purpose, held=False)
    with connect(address) as connection:
        answer = ask(connection, action="reserve", record=mine.record, duration_s=duration_s)
    return granted(address, answer)


def release(address: BoardAddress) -> Lease | None:
    """End this person's reservation and return it; return None if there was none.

    Raises:
        BoardBusyError: somebody else has the board, or a process works on it.
    """
    with connect(address) as connection:
        answer = ask(connection, action="release", owner=owner())
    return told(address, answer)


def show(address: BoardAddress) -> LeaseState:
    """Return who has the board."""
    with connect(address) as connection:
        answer = ask(connection, action="show")
    found = told(address, answer)
    heard_s = answer["heard_s"] if found else None
    return LeaseState(board=address.name, lease=found, heard_s=heard_s, free=answer["free"])


def _wanted(purpose: str, **more: Any) -> Lease:
    return Lease(board="", id=uuid.uuid4().hex, owner=owner(), purpose=purpose, **more)


class _Session:
    """A connection on which board/lease.py holds a lease."""

    def __init__(self, address: BoardAddress, wanted: Lease, duration_s: float) -> None:
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(connect(address))
            self._channel, answer = start(
                connection,
                action="hold",
                record=wanted.record,
                duration_s=duration_s,
                silence_s=SILENCE_S,
            )
            stack.callback(self._channel.close)
            self.address = address
            self.lease = granted(address, answer)
            self._stack = stack.pop_all()

    def beat(self) -> bool:
        """Send a heartbeat; return False if the board does not hold the lease any more."""
        try:
            self._channel.sendall(b"\n")
        except _LOST:
            return False
        return not (self._channel.closed or self._channel.exit_status_ready())

    def close(self, *, give_back: bool) -> None:
        """End the session, and optionally the lease."""
        with contextlib.suppress(*_LOST), self._stack:
            if give_back:
                self._channel.sendall(b"release\n")
                self._channel.status_event.wait(_GIVE_BACK_S)


class _Keeper:
    """Sends heartbeats to the board, and takes a lost lease again."""

    def __init__(self, session: _Session, duration_s: float) -> None:
        self.lease = session.lease
        self._session: _Session | None = session
        self._address = session.address
        self._end = time.monotonic() + duration_s
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Release the board; a board that is gone ends the lease by itself."""
        self._released.set()
        self._thread.join(_RELEASE_S)

    def _keep(self) -> None:
        while not self._released.wait(_BEAT_S):
            if self._session is not None and not self._session.beat():
                logger.warning("%s: the lease was lost", self._address.label)
                self._session.close(give_back=False)
                self._session = None
            if self._session is None:
                self._take_again()
        if self._session is not None:
            self._session.close(give_back=True)

    def _take_again(self) -> None:
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            return
        try:
            self._session = _Session(self._address, self.lease, left_s)
        except BoardError as error:
            logger.warning("%s: the lease is not back: %s", self._address.label, error.what)
        else:
            logger.warning("%s: the lease is back", self._address.label)


def _first_free(
    boards: Sequence[BoardAddress], wanted: Lease, duration_s: float, wait_s: float
) -> _Session:
    give_up = time.monotonic() + wait_s
    pause_s, longest_s = _POLL_S
    said = ""
    while True:
        busy: list[BoardError] = []
        failed: list[BoardError] = []
        for address in boards:
            try:
                return _Session(address, wanted, duration_s)
            except BoardBusyError as error:
                busy.append(error)
            except BoardError as error:
                failed.append(error)
        left_s = give_up - time.monotonic()
        if not busy or left_s <= 0:
            raise _of_all(busy or failed)
        # Log changes only, not every attempt of a long wait.
        if said != (said := _listed([*busy, *failed])):
            logger.info("waiting, %.0f s at most: %s", left_s, said)
        # Jitter, so that waiting runs do not ask in step.
        time.sleep(min(pause_s * random.uniform(0.5, 1.5), left_s))  # noqa: S311  no secret
        pause_s = min(pause_s * _POLL_GROWTH, longest_s)


def _of_all(errors: Sequence[BoardError]) -> BoardError:
    """Return the only error, or one that lists all."""
    if len(errors) == 1:
        return errors[0]
    kinds = {type(error) for error in errors}
    kind = kinds.pop() if len(kinds) == 1 else BoardError
    return kind(
        _listed(errors),
        where=f"{len(errors)} boards",
        remedy=errors[0].remedy,
        transient=any(error.transient for error in errors),
    )


def _listed(errors: Sequence[BoardError]) -> str:
    return "; ".join(f"{error.where}: {error.what}" for error in errors)
