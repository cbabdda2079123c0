"""Entries on a local path, safe to create, use and remove from several processes at once.

    <root>/<step>/<digest>/entry.json    inputs, checksums, the step's record
    <root>/<step>/<digest>/files/        the step's files
    <root>/tmp/                          entries being made
    <root>/locks/                        locks of the processes making them
    <root>/failed/                       logs of failed builds
    <root>/corrupt/                      entries found to be corrupt

An entry is made in tmp/ and renamed into place, so it is complete or absent. The process that makes
it holds its lock; a process that uses it holds a shared lock on its entry.json. Both locks end with
their process.
"""

import contextlib
import fcntl
import logging
import os
import re
import shutil
import stat
import time
import uuid
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, get_args

from tasks.core.records.base import Entry, Record, StepName
from tasks.store.entry import FILES, MANIFEST, EntryInfo, EntryManifest, load, opened
from tasks.store.locks import locked

_log = logging.getLogger(__name__)
_TMP, _LOCKS, _FAILED, _CORRUPT = "tmp", "locks", "failed", "corrupt"
_WORKSPACE = re.compile(r"[a-z]+-[0-9a-f]{64}-[0-9a-f]{32}")
_SET_ASIDE_KEPT = timedelta(days=7)


class LocalEntries:
    """The entries below one directory.

    An entry that was read stays in use as long as this object exists.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._in_use: dict[Entry, BinaryIO] = {}
        weakref.finalize(self, _close_all, self._in_use)

    def directory(self, entry: Entry) -> Path:
        """Return the directory of an entry."""
        return self.root / entry.step / entry.digest

    def read(self, entry: Entry, record_type: type[Record] | None = None) -> EntryManifest:
        """Return the manifest of a complete entry, and keep the entry in use.

        Every byte is read, which also detects what a power failure left unwritten.

        Raises:
            FileNotFoundError: the entry does not exist.
            ValueError: it is corrupt, or its record has another version of `record_type`.
        """
        directory = self.directory(entry)
        if not stat.S_ISDIR(directory.lstat().st_mode):
            raise ValueError("it is not a directory")
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(FileNotFoundError):  # `load` reports it
                file = stack.enter_context(opened(directory))
                fcntl.flock(file, fcntl.LOCK_SH)
            manifest = load(directory, entry, record_type)
            stack.pop_all()
        if entry in self._in_use:
            self._in_use[entry].close()
        self._in_use[entry] = file
        with contextlib.suppress(OSError):  # a store may be read-only
            os.utime(directory / MANIFEST)
        return manifest

    def lock(self, key: str, *, wait: bool = True) -> AbstractContextManager[bool]:
        """Hold the exclusive right to make the entry with this `key`; see `locked`."""
        return locked(self.root / _LOCKS / key, wait=wait)

    @contextlib.contextmanager
    def workspace(self, entry: Entry) -> Iterator[Path]:
        """Provide a directory with an empty `files/`, in which to make an entry under its lock.

        It is removed at the end unless it was published. If the process of an earlier workspace
        was killed, only its logs are kept.
        """
        for leftover in (self.root / _TMP).glob(f"{key(entry)}-*"):
            self.keep_logs(leftover)
            shutil.rmtree(leftover, ignore_errors=True)
        work = self._fresh(entry)
        (work / FILES).mkdir(parents=True)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def publish(self, work: Path, entry: Entry) -> None:
        """Rename a complete workspace into place."""
        target = self.directory(entry)
        target.parent.mkdir(parents=True, exist_ok=True)
        work.rename(target)
        parent = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)

    def keep_logs(self, work: Path) -> Path:
        """Move the `*.log` files of a workspace to `failed/`, and return their directory."""
        for path in sorted(work.rglob("*"), reverse=True):  # a directory's content comes first
            if not path.is_dir() or path.is_symlink():
                if path.suffix != ".log":
                    path.unlink(missing_ok=True)
            elif not any(path.iterdir()):
                path.rmdir()
        kept = self._aside(_FAILED, work.name)
        if any(work.iterdir()):
            work.rename(kept)
        return kept

    def set_aside(self, entry: Entry, reason: str) -> None:
        """Move a corrupt entry away and log a warning."""
        target = self._aside(_CORRUPT, key(entry))
        self.directory(entry).rename(target)
        _log.warning("%s is corrupt (%s): moved to %s", key(entry), reason, target)

    def list(self) -> Iterator[EntryInfo]:
        """Yield a summary of each entry, without reading its files."""
        for manifest, used in self.manifests(*get_args(StepName)):
            yield EntryInfo(
                entry=manifest.entry,
                label=manifest.label,
                created=manifest.created,
                used=used,
                size=manifest.size,
            )

    def manifests(self, *steps: StepName) -> Iterator[tuple[EntryManifest, datetime]]:
        """Yield the manifests of some steps' entries, and when each was last used."""
        for step in steps:
            for path in sorted(self.root.glob(f"{step}/*/{MANIFEST}")):
                try:
                    with opened(path.parent) as file:
                        manifest = EntryManifest.decode(file.read().decode())
                    used = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                except (OSError, ValueError) as error:
                    _log.warning("%s cannot be read: %s", path, error)
                    continue
                yield manifest, used

    def remove(self, entry: Entry) -> bool:
        """Remove an entry unless it is in use or being made; return whether it was removed."""
        gone = self._fresh(entry)
        with self.lock(key(entry), wait=False) as locked:
            if not locked:
                return False
            try:
                with (self.directory(entry) / MANIFEST).open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.directory(entry).rename(gone)
            except (BlockingIOError, FileNotFoundError):  # in use, or already removed
                return False
            _remove(gone)
        return True

    def remove_leftovers(self) -> None:
        """Remove workspaces of processes that are gone, and what was set aside over a week ago."""
        for work in _children(self.root / _TMP):
            if _WORKSPACE.fullmatch(work.name):
                with self.lock(work.name.rpartition("-")[0], wait=False) as locked:
                    if locked:
                        _remove(work)
        for aside in (*_children(self.root / _FAILED), *_children(self.root / _CORRUPT)):
            with contextlib.suppress(FileNotFoundError):  # another process removes it too
                if time.time() - aside.lstat().st_mtime > _SET_ASIDE_KEPT.total_seconds():
                    _remove(aside)

    def _fresh(self, entry: Entry) -> Path:
        """Return a new, unique path in `tmp/`.

        Paths are never reused: the tools of a killed process may keep writing for seconds.
        """
        directory = self.root / _TMP
        directory.mkdir(parents=True, exist_ok=True)
        return directory / f"{key(entry)}-{uuid.uuid4().hex}"

    def _aside(self, kind: str, name: str) -> Path:
        """Return a new path in `failed/` or `corrupt/` for the name of an entry or workspace."""
        step, digest = name.split("-")[:2]
        directory = self.root / kind
        directory.mkdir(parents=True, exist_ok=True)
        return directory / f"{step}-{digest[:12]}-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"


def key(entry: Entry) -> str:
    """Return an entry's name as one word."""
    return f"{entry.step}-{entry.digest}"


def _remove(path: Path) -> None:
    """Remove whatever has that name, also where another process removes it at the same time."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _close_all(files: dict[Entry, BinaryIO]) -> None:
    for file in files.values():
        file.close()


def _children(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from list(directory.iterdir())
