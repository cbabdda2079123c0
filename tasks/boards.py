"""Boards by name: a twin of this machine, or one that was added with `overlayflow boards add`."""

from pathlib import Path

from board.twin import lifecycle
from board.twin.errors import TwinError
from board.twin.record import TwinRecord
from tasks.errors import BoardError, BoardUnreachableError
from tasks.remote.address import BoardAddress
from tasks.settings import board_python, home


def twins() -> Path:
    """Directory of all twins of this machine."""
    return home() / "twins"


def start_twin(name: str, kind: str, port: int) -> TwinRecord:
    """Start a twin, or find the one that runs.

    Raises:
        BoardError: it cannot be started.
    """
    try:
        return lifecycle.start(twins(), name, python=board_python(), kind=kind, port=port)
    except TwinError as error:
        raise _board_error(name, error) from error


def twin_status(name: str) -> TwinRecord | None:
    """The record of a twin that runs and answers, else None.

    Raises:
        BoardError: it runs but does not answer.
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
    return BoardError(error.what, where=f"twin {name}", remedy=error.remedy)


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
