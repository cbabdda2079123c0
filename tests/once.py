"""What all workers of a test run share: the first that needs it makes it, the last one ends it."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest


def shared_directory(factory: pytest.TempPathFactory) -> Path:
    """Return the base temp directory of the whole run; each xdist worker has its own below it."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def once(
    directory: Path, make: Callable[[], str], end: Callable[[str], None] = lambda _: None
) -> Iterator[str]:
    """Yield what `make` returned to the worker that came first.

    Args:
        directory: where the workers meet.
        make: makes the thing and returns a text by which others find it.
        end: called with the text by the last worker that leaves, however the others ended.
    """
    directory.mkdir(exist_ok=True)
    made = directory / "made"
    with (directory / "lock").open("w") as lock, (directory / "users").open("w") as users:
        with _held(lock):
            if not made.exists():
                text = make()
                made.write_text(text)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield made.read_text()
        finally:
            with _held(lock):
                if _alone(users):
                    end(made.read_text())
                    made.unlink()


@contextmanager
def _held(file: TextIO) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _alone(users: TextIO) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
