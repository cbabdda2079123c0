"""What is asked of board/lease.py on a board, and what it answers."""

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
        board: its name, as this host knows it.
        id: the fencing token: the board's runner refuses to work for any but the present one.
        owner: user@host.
        purpose: what for, in words.
        flow_run_id: of the Prefect flow run; empty outside of one.
        flow_run_name: of the Prefect flow run; empty outside of one.
        held: whether a process holds it; else it is kept for a person until it expires.
        since: when it was taken; in seconds since 1970 by the board's clock, as `expires`.
        expires: when it ends by itself, if nobody sets that clock meanwhile.
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
        """As board/lease.py keeps it."""
        return self.model_dump(exclude={"board"})

    @property
    def words(self) -> str:
        """Who has the board, why and until when."""
        return worded(self.record)


class LeaseState(Record):
    """Who has a board.

    Attributes:
        lease: that is in force, or was the last; None when nobody has the board.
        heard_s: seconds since its holder was last heard of, by the board's clock.
        free: whether the board can be had now.
    """

    board: str
    lease: Lease | None
    heard_s: float | None
    free: bool


def ask(connection: Connection, **request: Any) -> dict[str, Any]:
    """Asks once; the answer is as board/lease.py says.

    Raises:
        BoardError: it does not answer.
    """
    channel, answer = start(connection, **request)
    channel.close()
    return answer


def start(connection: Connection, **request: Any) -> tuple[paramiko.Channel, dict[str, Any]]:
    """Hand board/lease.py a request and read its answer; it may live on. Raises as `ask`."""
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
                remedy="the board needs python3, 3.8 or later, and a /var/tmp that all may write",
            ) from None
    except BaseException:
        channel.close()
        raise


def told(address: BoardAddress, answer: dict[str, Any]) -> Lease | None:
    """The lease that an answer tells of.

    Raises:
        BoardBusyError: the answer is that somebody else has the board.
    """
    if "busy" in answer:
        raise BoardBusyError(
            f"the board is taken: {worded(answer['busy'])}",
            where=address.label,
            remedy="wait, or talk to them; who reserved it ends that with "
            f"`overlayflow boards release {address.name}`",
        )
    record = answer["lease"]
    if record is None:
        return None
    known = {name: record[name] for name in Lease.model_fields if name in record}
    return Lease.model_validate({**known, "board": address.name})


def granted(address: BoardAddress, answer: dict[str, Any]) -> Lease:
    """The lease that was asked for; says so if it was taken over from somebody.

    Raises:
        BoardBusyError: somebody else has the board.
    """
    lease = told(address, answer)
    if lease is None:
        raise BoardError("granted no lease", where=address.label)
    if answer["taken_over"]:
        logger.warning(
            "%s: taken over from %s, whose lease is over or who is gone",
            address.label,
            worded(answer["taken_over"]),
        )
    return lease
