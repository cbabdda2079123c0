"""Small files next to the store's entries, below a path or an fsspec URL.

Names are taken as they are: no character in them is a pattern, and none leads elsewhere. Whatever
keeps a library from reaching the store is a StoreError, since each has exceptions of its own:
botocore's, for one, are no OSError.
"""

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from tasks.core.errors import StoreError
from tasks.store.remedies import remedy

# An object store answers many at once.
_AT_A_TIME = 16


class Files:
    """The files below one address.

    Args:
        url: a path, or an fsspec URL.

    Raises:
        StoreError: no fsspec implementation of this kind of address is installed.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._fs, root = opened(url)
        self._root = root.rstrip("/")

    def names(self, directory: str) -> list[str]:
        """Return the names of a directory's files, sorted; none if there is no directory.

        Raises:
            StoreError: the store cannot be reached.
        """
        with reaching(self._url):
            self._fs.invalidate_cache()  # other machines write here too
            with contextlib.suppress(FileNotFoundError):
                found = self._fs.ls(self._path(directory), detail=True)
                return sorted(_name(each["name"]) for each in found if each["type"] == "file")
        return []

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, None if there is none.

        Raises:
            StoreError: the store cannot be reached.
        """
        with reaching(self._url), contextlib.suppress(FileNotFoundError):
            content: bytes = self._fs.cat_file(self._path(name))
            return content
        return None

    def read_each(self, names: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield each name with the content of its file; several are read at a time.

        Raises:
            StoreError: the store cannot be reached.
        """
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            yield from zip(names, pool.map(self.read, names), strict=True)

    def exists(self, name: str) -> bool:
        """Return whether there is a file; raises StoreError when the store cannot be reached."""
        with reaching(self._url):
            return bool(self._fs.exists(self._path(name)))

    def write(self, name: str, content: bytes) -> None:
        """Write a file, which is never seen half-written.

        Raises:
            StoreError: the store cannot be written.
        """
        with aside(self._fs, self._path(name), self._url) as part:
            self._fs.pipe_file(part, content)

    def put(self, name: str, source: Path) -> None:
        """Copy a local file, which is never seen half-copied; raises as `write`."""
        with aside(self._fs, self._path(name), self._url) as part:
            self._fs.put_file(str(source), part)

    def remove(self, name: str) -> bool:
        """Remove a file; False if there is none.

        Raises:
            StoreError: the store cannot be written.
        """
        with reaching(self._url), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))
            return True
        return False

    def _path(self, name: str) -> str:
        if ".." in PurePosixPath(name).parts or name.startswith("/"):
            raise ValueError(f"{name!r} leads out of the store")
        return f"{self._root}/{name}"


def opened(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of an address, and the path in it.

    Raises:
        StoreError: no fsspec implementation of this kind of address is installed.
    """
    try:
        found: tuple[Any, str] = fsspec.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise StoreError(
            str(error),
            where=url,
            remedy="install the package that this kind of URL needs, or use another kind",
        ) from error
    return found


@contextlib.contextmanager
def aside(files: Any, path: str, url: str) -> Iterator[str]:
    """Yield a path to write to, and move what was written into place; errors are StoreErrors."""
    part = f"{path}.{uuid.uuid4().hex}.part"
    with reaching(url):
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            yield part
            _move(files, part, path)
        except BaseException:
            with contextlib.suppress(Exception):  # it may be the store that is gone
                files.rm_file(part)
            raise


def _move(files: Any, source: str, target: str) -> None:
    """Rename a file; fsspec's own `mv` would take brackets in a path for a pattern."""
    if isinstance(files, LocalFileSystem):  # whose `mv` moves a file into a directory of its name
        Path(source).replace(target)
    elif type(files).mv is not AbstractFileSystem.mv:
        files.mv(source, target)
    else:
        files.cp_file(source, target)
        files.rm_file(source)


@contextlib.contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn what a file system's library raises into a StoreError.

    Only calls of the library belong into the block.
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        # Python's own exceptions, but for OSError, are defects of the caller.
        if not isinstance(error, OSError) and type(error).__module__ == "builtins":
            raise
        if isinstance(error, OSError) and (known := remedy(error, url)):
            place = str(error.filename2 or error.filename or url)
            raise StoreError(f"{error.strerror}", where=place, remedy=known) from error
        raise StoreError(
            f"cannot use the store: {str(error) or type(error).__name__}",
            where=url,
            remedy="check the URL, the network, your credentials and permissions, and free space "
            "on both sides",
            transient=True,
        ) from error


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
