"""The content-addressed store, which files a step's result under the digest of its inputs.

The same inputs lead to the same entry, so a second run does no tool work. An entry is complete or
absent. If several processes or machines want the same entry, one builds it and the others wait. A
corrupt entry is set aside and built again. Every look-up reads all files and compares their
checksums, which takes about a second for 1 GB.

The root may be an fsspec URL. Entries are then also tar objects there, shared by several machines,
and the local layout (tasks/store/local.py) is a cache of them.
"""

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from tasks.core.errors import StoreError, ToolError
from tasks.core.records.base import Entry, Record, StepName
from tasks.store.entry import FILES, MANIFEST, EntryInfo, EntryManifest, digest, load
from tasks.store.local import LocalEntries, key
from tasks.store.remedies import FULL, NO_LOCKS, remedy
from tasks.store.shared import Remote

__all__ = ["EntryInfo", "Store", "cache_of", "digest"]

R = TypeVar("R", bound=Record)

_log = logging.getLogger(__name__)


def cache_of(url: str) -> Path:
    """Return the directory of this user and machine for what belongs to a shared store."""
    name = hashlib.sha256(url.encode()).hexdigest()[:12]
    return platformdirs.user_cache_path("overlayflow") / "stores" / name


class Store:
    """Entries on a local path, or shared below an fsspec URL.

    Safe to use from several threads and processes at once. Entries that a Store object returned are
    in use, and are therefore not pruned, as long as that object exists.

    Args:
        url: a path, or an fsspec URL.
        cache: local directory for a URL; below the user's cache directory by default.
    """

    def __init__(self, url: str | Path, cache: Path | None = None) -> None:
        self._remote = Remote(str(url)) if "://" in str(url) else None
        root = Path(url)
        if self._remote is not None:
            root = cache or cache_of(str(url))
        self._local = LocalEntries(root)
        self._known: dict[Entry, EntryManifest] = {}

    def has(self, entry: Entry) -> bool:
        """Return whether the entry exists, without verifying it."""
        with self._errors():
            here = (self._local.directory(entry) / MANIFEST).exists()
            return here or (self._remote is not None and self._remote.has(entry))

    def get_or_build(
        self,
        entry: Entry,
        inputs: Mapping[str, Any],
        record_type: type[R],
        build: Callable[[Path], R],
        *,
        label: str = "",
    ) -> R:
        """Return an entry's record; build the entry first if it is absent or corrupt.

        Args:
            entry: the entry.
            inputs: the inputs that its digest was computed from; kept for people.
            record_type: type of the record.
            build: fills the given directory and returns the record. If it raises, its `*.log`
                files are kept in `failed/`, and the log path of a ToolError is changed to there.
            label: a name for people, e.g. the project's.

        Raises:
            StoreError: the store cannot be read or written; nothing half-written is left.
        """
        with self._errors():
            manifest = self._look_up(entry, record_type)
            if manifest is not None:
                self._share(entry)  # an earlier upload may have failed
            else:
                with self._alone(entry, record_type):
                    manifest = self._recover(entry, record_type)
                    if manifest is None:
                        manifest = self._build(entry, inputs, build, label)
                        self._share(entry, replace=True)
            return record_type.model_validate(manifest.record)

    def record(self, entry: Entry, record_type: type[R]) -> R:
        """Return an entry's record; raise StoreError if the entry is not in the store."""
        return record_type.model_validate(self._require(entry).record)

    def records(self, step: StepName, record_type: type[R]) -> Iterator[R]:
        """Yield a step's records on this machine, oldest first, without using the entries.

        Their files are not read. Records of another version are skipped with a warning.
        """
        found = [manifest for manifest, _ in self._local.manifests(step)]
        for manifest in sorted(found, key=lambda each: each.created):
            try:
                yield record_type.model_validate(manifest.record)
            except ValueError as error:
                _log.warning("skipping %s: %s", key(manifest.entry), error)

    def files(self, entry: Entry) -> Path:
        """Return the local directory of an entry's files, which must not be changed.

        They are in use, and so not pruned, as long as this object exists: keep it that long.

        Raises:
            StoreError: the entry is not in the store.
        """
        self._require(entry)
        return self._local.directory(entry) / FILES

    def verify(self, entry: Entry) -> bool:
        """Return whether the entry exists and is unchanged; set it aside if it is corrupt."""
        with self._errors():
            is_there = self._find(entry) is not None
        _log.debug("%s is %s the store", key(entry), "in" if is_there else "not yet in")
        return is_there

    def list(self) -> Iterator[EntryInfo]:
        """Yield a summary of each entry on this machine."""
        return self._local.list()

    def prune(
        self, *, older_than: timedelta | None = None, keep_bytes: int | None = None
    ) -> Sequence[EntryInfo]:
        """Remove entries from this machine, least recently used first; never one that is in use.

        Also remove leftovers of processes that are gone, and what was set aside over a week ago.

        Args:
            older_than: remove entries that were not used for this long.
            keep_bytes: remove entries until at most this many bytes are left.

        Returns:
            The removed entries.
        """
        removed = []
        with self._errors():
            self._local.remove_leftovers()
            entries = sorted(self._local.list(), key=lambda info: info.used)
            total = sum(info.size for info in entries)
            for info in entries:
                stale = older_than is not None and datetime.now(UTC) - info.used > older_than
                excess = keep_bytes is not None and total > keep_bytes
                if (stale or excess) and self._local.remove(info.entry):
                    total -= info.size
                    removed.append(info)
        return removed

    def _read(self, entry: Entry, record_type: type[Record] | None) -> EntryManifest:
        self._known[entry] = self._local.read(entry, record_type)
        return self._known[entry]

    def _look_up(
        self, entry: Entry, record_type: type[Record] | None = None
    ) -> EntryManifest | None:
        try:
            return self._read(entry, record_type)
        except (FileNotFoundError, ValueError):
            return None

    def _recover(
        self, entry: Entry, record_type: type[Record] | None = None
    ) -> EntryManifest | None:
        """Look again with the lock held; set aside a corrupt entry, fetch one made elsewhere."""
        try:
            return self._read(entry, record_type)
        except FileNotFoundError:
            pass
        except ValueError as error:
            self._local.set_aside(entry, str(error))
        if self._remote is None or not self._remote.has(entry):
            return None
        with self._local.workspace(entry) as work:
            try:
                self._remote.fetch(entry, work)
                load(work, entry, record_type)
            except ValueError as error:
                _log.warning("%s is corrupt in the shared store: %s", key(entry), error)
                return None
            self._local.publish(work, entry)
        return self._read(entry, record_type)

    @contextlib.contextmanager
    def _alone(self, entry: Entry, record_type: type[Record]) -> Iterator[None]:
        """Hold the exclusive right to make an entry, here and on machines that share the store."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._local.lock(key(entry)))
            if self._remote is not None and self._recover(entry, record_type) is None:
                stack.enter_context(
                    self._remote.claimed(
                        entry, lambda: self._recover(entry, record_type) is not None
                    )
                )
            yield

    def _find(self, entry: Entry) -> EntryManifest | None:
        manifest = self._look_up(entry)
        if manifest is None and (os.path.lexists(self._local.directory(entry)) or self.has(entry)):
            with self._local.lock(key(entry)):
                manifest = self._recover(entry)
        return manifest

    def _require(self, entry: Entry) -> EntryManifest:
        with self._errors():
            manifest = self._known.get(entry) or self._find(entry)
        if manifest is None:
            raise StoreError(
                f"{key(entry)} is not in the store",
                where=str(self._local.root),
                remedy=f"run the {entry.step} step again",
            )
        return manifest

    def _build(
        self,
        entry: Entry,
        inputs: Mapping[str, Any],
        build: Callable[[Path], Record],
        label: str,
    ) -> EntryManifest:
        with self._local.workspace(entry) as work:
            try:
                record = build(work / FILES)
            except BaseException as error:
                kept = self._local.keep_logs(work)
                if isinstance(error, ToolError) and error.log and error.log.is_relative_to(work):
                    error.log = kept / error.log.relative_to(work)
                raise
            EntryManifest.describe(entry, label, inputs, record, work / FILES).write(work)
            self._local.publish(work, entry)
        return self._read(entry, type(record))

    def _share(self, entry: Entry, *, replace: bool = False) -> None:
        """Upload an entry; a failure loses nothing, because the next look-up tries again."""
        if self._remote is None:
            return
        try:
            if replace or not self._remote.has(entry):
                self._remote.put(entry, self._local.directory(entry))
        except StoreError as error:
            _log.warning("%s is on this machine only: %s", key(entry), error)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn errors caused by a full disk or missing permissions into a StoreError."""
        try:
            yield
        except OSError as error:
            root = self._local.root
            place = root if error.filename is None else Path(str(error.filename))
            ours = place.is_relative_to(root) or root.is_relative_to(place)
            # What locks a file knows no name of it.
            ours |= error.errno in NO_LOCKS
            known = remedy(error, root)
            # A build callback may also run into a full disk, or have trouble with users' files.
            if error.errno in FULL or (ours and known):
                raise StoreError(f"{error.strerror}", where=str(place), remedy=known) from error
            raise
