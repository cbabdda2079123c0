"""Claims that let one machine at a time make an entry of a shared store.

Object stores have no locks that die with their holder. A claim is an object that is created only
if it does not exist, and that its owner rewrites every few seconds; a claim that was not rewritten
for long belongs to a machine that is gone. If clocks differ by more than that, or two machines take
over a claim at the same moment, an entry is built twice; it is never wrong.
"""

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

_log = logging.getLogger(__name__)
BEAT_S = 5.0
STALE_S = 30.0
POLL_S = 1.0


@contextlib.contextmanager
def claimed(files: Any, path: str, made: Callable[[], bool]) -> Iterator[None]:
    """Hold a claim, or return without one once another machine has finished the work.

    Args:
        files: the fsspec file system.
        path: path of the claim.
        made: tells whether the work is done; if so, the block is entered without a claim.

    Raises:
        OSError: the file system cannot be used.
    """
    owner = uuid.uuid4().hex
    if not _claim(files, path, owner, made):
        yield
        return
    stop = threading.Event()
    beats = threading.Thread(target=_beat, args=(files, path, owner, stop), daemon=True)
    beats.start()
    try:
        yield
    finally:
        stop.set()
        beats.join()
        with contextlib.suppress(OSError):
            files.rm_file(path)


def _claim(files: Any, path: str, owner: str, made: Callable[[], bool]) -> bool:
    """Wait for the claim; return False if the work was done by another machine meanwhile."""
    logged = False
    while not _create(files, path, _beaten(owner)):
        if made():
            return False
        if not logged:
            _log.info("waiting for another machine that is making %s", path)
            logged = True
        _remove_stale(files, path)
        time.sleep(POLL_S)
    return True


def _create(files: Any, path: str, content: bytes) -> bool:
    """Create the claim; return False if there is one already."""
    files.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        files.pipe_file(path, content, mode="create")
    except OSError:  # file systems differ in the error for an object that exists
        files.invalidate_cache()
        if not files.exists(path):
            raise
        return False
    return True


def _remove_stale(files: Any, path: str) -> None:
    with contextlib.suppress(FileNotFoundError, ValueError):
        content = files.cat_file(path).decode()
        if time.time() - float(content.partition(" ")[2]) > STALE_S:
            _log.warning("%s belongs to a machine that is gone: taking it over", path)
            files.rm_file(path)


def _beat(files: Any, path: str, owner: str, stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        with contextlib.suppress(OSError):  # the next beat may reach the store again
            files.pipe_file(path, _beaten(owner))


def _beaten(owner: str) -> bytes:
    return f"{owner} {time.time()}".encode()
