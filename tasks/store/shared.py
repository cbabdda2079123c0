"""Entries shared by several machines: one tar object each, below an fsspec URL."""

import contextlib
import logging
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from tasks.core.errors import StoreError
from tasks.core.records.base import Entry
from tasks.store.claims import claimed
from tasks.store.entry import FILES, MANIFEST
from tasks.store.files import aside, opened, reaching

_log = logging.getLogger(__name__)


class Remote:
    """The objects `<url>/<step>/<digest>.tar`.

    Downloads are not trusted: the caller verifies them against their manifest, and nothing is
    written outside the given directory.

    Raises:
        StoreError: no fsspec implementation for this kind of URL is installed.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._fs, self._root = opened(url)

    def has(self, entry: Entry) -> bool:
        """Return whether the object exists; it may be corrupt."""
        with reaching(self._url):
            self._fs.invalidate_cache()  # other machines write here too
            return bool(self._fs.exists(self._path(entry)))

    @contextlib.contextmanager
    def claimed(self, entry: Entry, made: Callable[[], bool]) -> Iterator[None]:
        """Make sure that no other machine makes an entry, or wait until one has made it.

        Args:
            entry: the entry to make.
            made: tells whether it has been made.
        """
        claim = f"{self._root.rstrip('/')}/claims/{entry.step}-{entry.digest}"
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(claimed(self._fs, claim, made))
            except StoreError as error:
                _log.warning(
                    "cannot claim the entry in %s, so another machine may make it too: %s",
                    self._url,
                    error,
                )
            yield

    def put(self, entry: Entry, directory: Path) -> None:
        """Upload an entry's directory; the object appears or is replaced atomically."""
        with (
            aside(self._fs, self._path(entry), self._url) as part,
            self._fs.open(part, "wb") as file,
            tarfile.open(fileobj=file, mode="w|", dereference=True) as tar,
        ):
            tar.add(directory / MANIFEST, MANIFEST)
            tar.add(directory / FILES, FILES)

    def fetch(self, entry: Entry, directory: Path) -> None:
        """Download an entry into an empty directory; raise ValueError if the object is bad."""
        with (
            reaching(self._url),
            self._fs.open(self._path(entry), "rb") as file,
            _bad_is_value_error(),
            tarfile.open(fileobj=file, mode="r|") as tar,
        ):
            for member in tar:
                _extract(tar, member, directory)

    def _path(self, entry: Entry) -> str:
        return f"{self._root.rstrip('/')}/{entry.step}/{entry.digest}.tar"


@contextlib.contextmanager
def _bad_is_value_error() -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise ValueError(f"incomplete archive: {error}") from error


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"member {member.name} leads out of the archive")
    path = directory / name
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    content = tar.extractfile(member)
    if not member.isfile() or content is None:
        raise ValueError(f"member {member.name} is not a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)
