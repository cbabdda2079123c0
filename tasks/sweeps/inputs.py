"""Share a sweep's model and data through the store with workers on other machines."""

import hashlib
from pathlib import Path

from tasks.core.errors import InputError
from tasks.packaging.archive import file_digest
from tasks.store.files import Files
from tasks.sweeps.points import Point


def share(store_url: str, points: list[Point]) -> None:
    """Put every model and data file of the points into the store, unless it is already there.

    Raises:
        StoreError: the store cannot be written.
    """
    files = {(each.model, each.model_digest) for each in points}
    files |= {(each.data, each.data_digest) for each in points}
    there = Files(store_url)
    for path, digest in files:
        if not there.exists(_target(path, digest)):
            there.put(_target(path, digest), path)


def at_hand(store_url: str, point: Point, directory: Path) -> Point:
    """Return the point with model and data on this machine, fetched from the store if needed.

    Args:
        store_url: store in which `share` put the files.
        point: a point, possibly generated on another machine.
        directory: directory for fetched files.

    Raises:
        InputError: a file is missing or has changed here, and is not in the store.
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
    content = Files(store_url).read(_target(path, digest))
    if content is None:
        raise InputError(
            "the file is missing or has changed since the sweep began, and is not in the store",
            where=str(path),
            remedy="start the sweep again, with a store that its workers share",
        )
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(
            "the file is corrupt in the store", where=str(path), remedy="start the sweep again"
        )
    fetched.parent.mkdir(parents=True, exist_ok=True)
    fetched.write_bytes(content)
    return fetched


def _target(path: Path, digest: str) -> str:
    return f"inputs/{digest}/{path.name}"
