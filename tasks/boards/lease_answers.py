"""Sends requests to board/lease.py on a board and reads its answers."""

import json
import logging
from typing import Any

import paramiko

from board.lease import worded
from tasks.boards import python
from tasks.boards.address import BoardAddress
from tasks.boards.ssh import Connection
from tasks.core.errors import BoardBusyError, BoardError
from tasks.core.records.base import Record

logger = logging.getLogger(__name__)

_ANSWER_S = 15.0


class Lease(Record):
    """The right to use a board.

    Attributes:
        board: its name on this host.
        id: fencing token: the board's runner refuses any but the current one.
        owner: user@host.
        purpose: shown to other people.
        flow_run_id: of the Prefect flow run; empty outside of one.
        flow_run_name: of the Prefect flow run; empty outside of one.
        held: whether a process holds it; otherwise it is a person's reservation.
        since: when it was taken, in seconds since 1970 by the board's clock.
        expires: when it ends by the same clock, provided that nobody sets that clock.
    """

    board: str
    id: str
    owner: str
    purpose: str
    flow_run_id: str = ""
    flow_run_name: str = ""
    held: bool = True
    since: float = 0.0
    expires: float = 0.0

    @property
    def record(self) -> dict[str, Any]:
        """Return the record for board/lease.py."""
        return self.model_dump(exclude={"board"})

    @property
    def words(self) -> str:
        """Say who has the board, why and until when."""
        return worded(self.record)


class LeaseState(Record):
    """Who has a board.

    Attributes:
        lease: in force, or the last one; None if nobody has the board.
        heard_s: seconds since the last heartbeat, by the board's clock.
        free: whether the board can be leased now.
    """

    board: str
    lease: Lease | None
    heard_s: float | None
    free: bool


def ask(connection: Connection, **request: Any) -> dict[str, Any]:
    """Send one request and return the answer, in the format of board/lease.py.

    Raises:
        BoardError: it does not answer.
    """
    channel, answer = start(connection, **request)
    channel.close()
    return answer


def start(connection: Connection, **request: Any) -> tuple[paramiko.Channel, dict[str, Any]]:
    """Send a request and read its answer; board/lease.py may keep running. Raises as `ask`."""
    channel, heard = python.start(connection, "lease", request)
    try:
        line = stderr = b""
        with connection.reaching("asking for the lease"):
            channel.settimeout(_ANSWER_S)
            while not line.endswith(b"\n") and (data := channel.recv(65536)):
                line += heard(data)
            stderr = b"" if line else channel.recv_stderr(65536)
        try:
            return channel, json.loads(line)
        except ValueError:
            raise BoardError(
                f"the lease cannot be asked for: {stderr.decode(errors='replace').strip()[-500:]}",
                where=connection.address.label,
                remedy="the board needs python3, 3.8 or later, and a world-writable /var/tmp",
            ) from None
    except BaseException:
        channel.close()
        raise


def told(address: BoardAddress, answer: dict[str, Any]) -> Lease | None:
    """Return the lease in an answer.

    Raises:
        BoardBusyError: somebody else has the board.
    """
    if "busy" in answer:
        raise BoardBusyError(
            f"the board is taken: {worded(answer['busy'])}",
            where=address.label,
            remedy="wait, or ask them; a reservation's owner ends it with "
            f"`overlayflow boards release {address.name}`",
        )
    record = answer["lease"]
    if record is None:
        return None
    known = {name: record[name] for name in Lease.model_fields if name in record}
    return Lease.model_validate({**known, "board": address.name})


def granted(address: BoardAddress, answer: dict[str, Any]) -> Lease:
    """Return the requested lease; log it if the lease was taken over from somebody.

    Raises:
        BoardBusyError: somebody else has the board.
    """
    lease = told(address, answer)
    if lease is None:
        raise BoardError("granted no lease", where=address.label)
    if answer["taken_over"]:
        logger.warning(
            "%s: taken over from %s, whose lease has expired or been abandoned",
            address.label,
            worded(answer["taken_over"]),
        )
    return lease
