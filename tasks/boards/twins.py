"""Start, stop and address the twins of this machine."""

from pathlib import Path

from board.kinds import board_kinds
from board.twin import faults, lifecycle
from board.twin.errors import TwinError, TwinSilentError
from board.twin.record import HOST as LOOPBACK
from board.twin.record import TwinRecord
from tasks.boards.address import BoardAddress
from tasks.core.errors import BoardError, BoardUnreachableError
from tasks.core.settings import DEFAULT_PYNQ, board_python, home

FACTORY_PASSWORD = "xilinx"  # noqa: S105  # everybody's, of every board


def twins() -> Path:
    """Directory of all twins of this machine."""
    return home() / "twins"


def start_twin(
    name: str,
    kind: str,
    port: int = 0,
    *,
    host: str = LOOPBACK,
    pynq: str | None = None,
    password: str | None = None,
) -> TwinRecord:
    """Start a twin, or find the one that runs.

    Args:
        name: of the twin.
        kind: an entry of board/kinds.toml.
        port: to listen on; 0 takes a free one.
        host: address to listen on.
        pynq: version of pynq on it; by default the one of `make board-env` where the kind has it,
            else the kind's newest.
        password: of its user; a random one by default.

    Raises:
        BoardError: it cannot be started.
    """
    made = board_kinds()[kind].pynq if kind in board_kinds() else (DEFAULT_PYNQ,)
    python = board_python(pynq or (DEFAULT_PYNQ if DEFAULT_PYNQ in made else made[-1]))
    try:
        record = lifecycle.start(
            twins(), name, python=python, kind=kind, host=host, port=port, password=password
        )
    except TwinError as error:
        raise _board_error(name, error) from error
    if pynq not in {None, record.pynq}:
        raise BoardError(
            f"it runs with pynq {record.pynq}, not {pynq}",
            where=f"twin {name}",
            remedy="stop it first, or give the new one another name",
        )
    return record


def twin_status(name: str) -> TwinRecord | None:
    """The record of a twin that runs and answers, else None.

    Raises:
        BoardUnreachableError: it runs but does not answer.
    """
    try:
        return lifecycle.status(twins(), name)
    except TwinError as error:
        raise _board_error(name, error) from error


def stop_twin(name: str) -> bool:
    """Stop a twin; False if it did not run.

    Raises:
        BoardError: it cannot be stopped.
    """
    try:
        return lifecycle.stop(twins(), name)
    except TwinError as error:
        raise _board_error(name, error) from error


def _board_error(name: str, error: TwinError) -> BoardError:
    kind = BoardUnreachableError if isinstance(error, TwinSilentError) else BoardError
    return kind(error.what, where=f"twin {name}", remedy=error.remedy)


def set_fault(name: str, kind: str, value: str = "") -> None:
    """Give a running twin a fault: see board/twin/faults.py.

    Raises:
        BoardError: the twin does not run, or there is no such fault or value.
    """
    try:
        faults.set_fault(twins(), name, kind, value)
    except TwinError as error:
        raise _board_error(name, error) from error


def clear_faults(name: str, kind: str | None = None) -> None:
    """Take a fault, or all of them, from a twin.

    Raises:
        BoardError: there is no such fault.
    """
    try:
        faults.clear_faults(twins(), name, kind)
    except TwinError as error:
        raise _board_error(name, error) from error


def twin_names() -> list[str]:
    """Names of all twins that were ever started on this machine."""
    return lifecycle.names(twins())


def twin_address(name: str) -> BoardAddress | None:
    """Where a twin is and how to log in; None if there is no twin of that name.

    Raises:
        BoardUnreachableError: it does not run.
    """
    if name not in twin_names():
        return None
    record = twin_status(name)
    if record is None:
        raise BoardUnreachableError(
            "the twin is off",
            where=f"board {name}",
            remedy=f"overlayflow twin start {name}",
            transient=False,
        )
    return address_of(record).model_copy(update={"target": "twin"})


def address_of(record: TwinRecord) -> BoardAddress:
    """Where a twin is and how to log in, as of any board: nothing says that it is one."""
    return BoardAddress(
        name=record.name,
        kind=record.kind,
        host=record.host,
        port=record.port,
        user=record.user,
        host_key=record.host_key,
        key_file=Path(record.client_key),
    )
