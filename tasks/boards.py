"""Boards by name: a twin of this machine, or one that was added with `overlayflow boards add`."""

from pathlib import Path

from board.kinds import board_kinds
from board.twin import faults, lifecycle
from board.twin.errors import TwinError, TwinSilentError
from board.twin.record import HOST as LOOPBACK
from board.twin.record import TwinRecord
from tasks.errors import BoardError, BoardUnreachableError
from tasks.remote.address import BoardAddress
from tasks.settings import DEFAULT_PYNQ, board_python, home


def twins() -> Path:
    """Directory of all twins of this machine."""
    return home() / "twins"


def start_twin(
    name: str, kind: str, port: int = 0, *, host: str = LOOPBACK, pynq: str | None = None
) -> TwinRecord:
    """Start a twin, or find the one that runs.

    Args:
        name: of the twin.
        kind: an entry of board/kinds.toml.
        port: to listen on; 0 takes a free one.
        host: address to listen on.
        pynq: version of pynq on it; by default the one of `make board-env` where the kind has it,
            else the kind's newest.

    Raises:
        BoardError: it cannot be started.
    """
    made = board_kinds()[kind].pynq if kind in board_kinds() else (DEFAULT_PYNQ,)
    python = board_python(pynq or (DEFAULT_PYNQ if DEFAULT_PYNQ in made else made[-1]))
    try:
        return lifecycle.start(twins(), name, python=python, kind=kind, host=host, port=port)
    except TwinError as error:
        raise _board_error(name, error) from error


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


def address(name: str) -> BoardAddress:
    """Where a board is and how to log in.

    Raises:
        BoardUnreachableError: it is a twin that does not run.
        BoardError: there is no board of that name.
    """
    if name not in lifecycle.names(twins()):
        known = ", ".join(lifecycle.names(twins())) or "none yet"
        raise BoardError(
            f"no board of that name; boards: {known}",
            where=f"board {name}",
            remedy=f"start a twin of that name: overlayflow twin start {name}",
        )
    record = twin_status(name)
    if record is None:
        raise BoardUnreachableError(
            "the twin is off",
            where=f"board {name}",
            remedy=f"overlayflow twin start {name}",
            transient=False,
        )
    return BoardAddress(
        name=record.name,
        kind=record.kind,
        host=record.host,
        port=record.port,
        user=record.user,
        host_key=record.host_key,
        key_file=Path(record.client_key),
    )
