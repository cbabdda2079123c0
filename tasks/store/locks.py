"""Locks of files that end with their process, and whose files go when nobody needs them."""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_log = logging.getLogger(__name__)
_POLL_S = 0.2


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold an exclusive lock on a file, which is made before and removed after.

    Args:
        path: the file.
        wait: wait until the lock is free.

    Yields:
        Whether the lock was acquired; always true if `wait` is set.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _try_lock(path)
    if lock is None and wait:
        _log.info("waiting for another process that holds %s", path.name)
    while lock is None and wait:
        time.sleep(_POLL_S)
        lock = _try_lock(path)
    if lock is None:
        yield False
        return
    with lock:
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


def _try_lock(path: Path) -> IO[str] | None:
    """Lock a file; return None if another process holds the lock or is removing the file."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        file.close()
        raise
    file.close()
    return None
