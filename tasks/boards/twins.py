"""Starts, stops and addresses the twins on this machine."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from board.kinds import board_kinds
from board.twin import faults, lifecycle
from board.twin.errors import TwinError, TwinSilentError
from board.twin.record import HOST as LOOPBACK
from board.twin.record import TwinRecord
from tasks.boards.address import BoardAddress
from tasks.core.errors import BoardError, BoardUnreachableError
from tasks.core.settings import DEFAULT_PYNQ, board_python, home

FACTORY_PASSWORD = "xilinx"  # noqa: S105  # public: the factory password of every board


def twins() -> Path:
    """Return the directory of all twins on this machine."""
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
    """Start a twin, or find the running one.

    Args:
        name: of the twin.
        kind: an entry of board/kinds.toml.
        port: to listen on; 0 takes a free one.
        host: address to listen on.
        pynq: version of pynq; by default that of `make board-env` if the kind supports it,
            otherwise the kind's newest.
        password: of its user; random by default.

    Raises:
        BoardError: it cannot be started.
    """
    with _as_board_error(name):
        record = lifecycle.start(
            twins(),
            name,
            python=_python(kind, pynq),
            kind=kind,
            host=host,
            port=port,
            password=password,
        )
    if pynq not in {None, record.pynq}:
        raise BoardError(
            f"it runs with pynq {record.pynq}, not {pynq}",
            where=f"twin {name}",
            remedy="stop it first, or give the new one another name",
        )
    return record


def twin_status(name: str) -> TwinRecord | None:
    """Return the record of a running twin, or None.

    Raises:
        BoardUnreachableError: it runs but does not answer.
    """
    with _as_board_error(name):
        return lifecycle.status(twins(), name)


def stop_twin(name: str) -> bool:
    """Stop a twin; return False if it did not run.

    Raises:
        BoardError: it cannot be stopped.
    """
    with _as_board_error(name):
        return lifecycle.stop(twins(), name)


@contextlib.contextmanager
def private_twin(kind: str) -> Iterator[BoardAddress]:
    """Run a twin for the caller alone, and yield its address.

    Raises:
        BoardError: it cannot be started.
    """
    home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="twin-", dir=home()) as directory:
        state, name = Path(directory), "private"
        with _as_board_error(name):
            python = _python(kind, None)
            record = lifecycle.start(state, name, python=python, kind=kind, owner=os.getpid())
        try:
            yield address_of(record).model_copy(update={"target": "twin"})
        finally:
            with _as_board_error(name):
                lifecycle.stop(state, name)


@contextlib.contextmanager
def _as_board_error(name: str) -> Iterator[None]:
    try:
        yield
    except TwinError as error:
        silent = isinstance(error, TwinSilentError)
        raise (BoardUnreachableError if silent else BoardError)(
            error.what, where=f"twin {name}", remedy=error.remedy
        ) from error


def _python(kind: str, pynq: str | None) -> Path:
    """Return the Python with a version of pynq, by default the usual one if the kind has it."""
    made = board_kinds()[kind].pynq if kind in board_kinds() else (DEFAULT_PYNQ,)
    return board_python(pynq or (DEFAULT_PYNQ if DEFAULT_PYNQ in made else made[-1]))


def set_fault(name: str, kind: str, value: str = "") -> None:
    """Set a fault of a running twin; see board/twin/faults.py.

    Raises:
        BoardError: the twin does not run, or the fault or its value is invalid.
    """
    with _as_board_error(name):
        faults.set_fault(twins(), name, kind, value)


def clear_faults(name: str, kind: str | None = None) -> None:
    """Clear one fault of a twin, or all.

    Raises:
        BoardError: there is no such fault.
    """
    with _as_board_error(name):
        faults.clear_faults(twins(), name, kind)


def twin_names() -> list[str]:
    """Return the names of all twins ever started on this machine."""
    return lifecycle.names(twins())


def twin_address(name: str) -> BoardAddress | None:
    """Return the address of a twin; None if there is no twin of that name.

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
    """Return a twin's address, which looks like any board's."""
    return BoardAddress(
        name=record.name,
        kind=record.kind,
        host=record.host,
        port=record.port,
        user=record.user,
        host_key=record.host_key,
        key_file=Path(record.client_key),
    )
