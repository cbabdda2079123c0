"""Who makes an entry of a shared store: one machine at a time, as far as objects can say so.

Object stores have no locks that die with their holder. A claim is an object that is created only
where none is, and that its owner writes anew every few seconds; one that stays the same for long,
by the clock of whoever waits for it, is of a machine that is gone. Where two machines give up on a
claim in the same moment, an entry is built twice, as it would be without claims, never wrong.
"""

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from tasks.core.errors import StoreError
from tasks.store.files import reaching

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
        StoreError: the file system cannot be used.
    """
    claim = _Claim(files, path)
    if not claim.take(made):
        yield
        return
    stop = threading.Event()
    beats = threading.Thread(target=claim.keep, args=(stop,), daemon=True)
    beats.start()
    try:
        yield
    finally:
        stop.set()
        beats.join()
        with contextlib.suppress(StoreError):
            claim.give_back()


class _Claim:
    """A claim, ours or that of another machine."""

    def __init__(self, files: Any, path: str) -> None:
        self._files = files
        self._path = path
        self._owner = uuid.uuid4().hex

    def take(self, made: Callable[[], bool]) -> bool:
        """Wait until the claim is ours; False when there is nothing left to make."""
        seen, since = b"", time.monotonic()
        while not self._create():
            if made():
                return False
            found = self._read()
            if found != seen:
                if not seen:
                    _log.info("waiting for another machine that makes %s", self._path)
                seen, since = found, time.monotonic()
            elif time.monotonic() - since > STALE_S:
                _log.warning("%s is of a machine that is gone: taken over", self._path)
                self._remove()
                since = time.monotonic()
            time.sleep(POLL_S)
        return True

    def keep(self, stop: threading.Event) -> None:
        """Say again and again that this machine is there, until told to stop or taken over."""
        while not stop.wait(BEAT_S):
            with contextlib.suppress(StoreError):  # the next beat may reach the store again
                if not self._is_ours():
                    _log.warning("%s was taken over by another machine", self._path)
                    return
                with reaching(self._path):
                    self._files.pipe_file(self._path, self._beat())

    def give_back(self) -> None:
        """Remove the claim, unless another machine has it now."""
        if self._is_ours():
            self._remove()

    def _create(self) -> bool:
        """Return whether the claim could be created; False where there is one."""
        with reaching(self._path):
            self._files.makedirs(self._path.rpartition("/")[0], exist_ok=True)
            try:
                self._files.pipe_file(self._path, self._beat(), mode="create")
            except OSError:  # what says that the object is there differs between file systems
                self._files.invalidate_cache()
                if not self._files.exists(self._path):
                    raise
                return False
        return True

    def _read(self) -> bytes:
        """Return what the claim says; nothing where there is none."""
        with reaching(self._path), contextlib.suppress(FileNotFoundError):
            content: bytes = self._files.cat_file(self._path)
            return content
        return b""

    def _remove(self) -> None:
        with reaching(self._path), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path)

    def _is_ours(self) -> bool:
        return self._read().partition(b" ")[0] == self._owner.encode()

    def _beat(self) -> bytes:
        """Return the claim's content, another one each time."""
        return f"{self._owner} {uuid.uuid4().hex}".encode()
