"""Who makes an entry of a shared store: one machine at a time, as far as objects can say so.

Object stores have no locks that die with their holder. A claim is an object that is created only
where none is, and that its owner writes anew every few seconds; one that nobody has written for
long is of a machine that is gone. Where clocks differ by more than that, or two machines give up
on a claim in the same moment, an entry is built twice, as it would be without claims, never wrong.
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
    """Hold the claim on what is to be made, or find that somebody else has made it meanwhile.

    Args:
        files: the fsspec file system.
        path: of the claim.
        made: whether there is nothing left to make; the block is entered without a claim then.

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
    """Wait until the claim is ours; False when there is nothing left to make."""
    told = False
    while not _create(files, path, _beaten(owner)):
        if made():
            return False
        if not told:
            _log.info("waiting for another machine that makes %s", path)
            told = True
        _remove_stale(files, path)
        time.sleep(POLL_S)
    return True


def _create(files: Any, path: str, content: bytes) -> bool:
    """Whether the claim could be created; False where there is one."""
    files.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        files.pipe_file(path, content, mode="create")
    except OSError:  # what says that the object is there differs between file systems
        files.invalidate_cache()
        if not files.exists(path):
            raise
        return False
    return True


def _remove_stale(files: Any, path: str) -> None:
    with contextlib.suppress(FileNotFoundError, ValueError):
        content = files.cat_file(path).decode()
        if time.time() - float(content.partition(" ")[2]) > STALE_S:
            _log.warning("%s is of a machine that is gone: taken over", path)
            files.rm_file(path)


def _beat(files: Any, path: str, owner: str, stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        with contextlib.suppress(OSError):  # the next beat may reach the store again
            files.pipe_file(path, _beaten(owner))


def _beaten(owner: str) -> bytes:
    return f"{owner} {time.time()}".encode()
