"""Model and data of a sweep, in the store: a worker on another machine has no such files."""

import hashlib
from pathlib import Path

import fsspec

from tasks.core.errors import InputError, StoreError
from tasks.packaging.archive import file_digest
from tasks.sweeps.points import Point


def share(store_url: str, points: list[Point]) -> None:
    """Put every model and data file of the points into the store, unless they are there.

    Raises:
        StoreError: the store cannot be written.
    """
    files = {(each.model, each.model_digest) for each in points}
    files |= {(each.data, each.data_digest) for each in points}
    try:
        there, root = fsspec.url_to_fs(store_url)
        for path, digest in files:
            target = f"{root}/inputs/{digest}/{path.name}"
            if not there.exists(target):
                there.makedirs(target.rpartition("/")[0], exist_ok=True)
                there.put_file(str(path), target)
    except OSError as error:
        raise StoreError(
            f"model and data cannot be shared: {error}",
            where=store_url,
            remedy="check the store's address, your rights and its space",
        ) from error


def at_hand(store_url: str, point: Point, directory: Path) -> Point:
    """The point with files that are on this machine: its own, or those of the store.

    Args:
        store_url: where `share` put them.
        point: as the sweep made it, maybe on another machine.
        directory: where fetched files go.

    Raises:
        InputError: a file is neither here, unchanged, nor in the store.
    """
    model = _file(store_url, point.model, point.model_digest, directory)
    data = _file(store_url, point.data, point.data_digest, directory)
    return point.model_copy(update={"model": model, "data": data})


def _file(store_url: str, path: Path, digest: str, directory: Path) -> Path:
    if path.is_file() and file_digest(path) == digest:
        return path
    fetched = directory / digest / path.name
    if fetched.is_file() and file_digest(fetched) == digest:
        return fetched
    try:
        there, root = fsspec.url_to_fs(store_url)
        content = there.cat_file(f"{root}/inputs/{digest}/{path.name}")
    except OSError as error:
        raise InputError(
            f"is not on this machine as it was when the sweep began, nor in the store: {error}",
            where=str(path),
            remedy="start the sweep again, with a store that its workers share",
        ) from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError("is damaged in the store", where=str(path), remedy="start the sweep again")
    fetched.parent.mkdir(parents=True, exist_ok=True)
    fetched.write_bytes(content)
    return fetched
