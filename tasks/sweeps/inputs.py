"""Share a sweep's model and data through the store with workers on other machines."""

from collections.abc import Callable
from pathlib import Path

from tasks.conversion import datafile
from tasks.conversion.modelfile import identify
from tasks.core.digests import digest_of
from tasks.core.errors import InputError
from tasks.store.files import Files
from tasks.sweeps.points import Point

Finder = Callable[[Path], tuple[Path, ...]]


def share(store_url: str, points: list[Point]) -> None:
    """Put every model and data file of the points into the store, unless it is already there.

    Raises:
        StoreError: the store cannot be written.
    """
    there = Files(store_url)
    for files, digest in {each for point in points for each in _inputs(point)}:
        for path in files:
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
    there = Files(store_url)
    model = _place(there, point.model, point.model_digest, directory, _model_files(point))
    data = _place(there, point.data, point.data_digest, directory, datafile.files)
    return point.model_copy(update={"model": model, "data": data})


def _inputs(point: Point) -> tuple[tuple[tuple[Path, ...], str], ...]:
    """Return the files of the model and of the data, each with their digest."""
    return (
        (_model_files(point)(point.model), point.model_digest),
        (datafile.files(point.data), point.data_digest),
    )


def _model_files(point: Point) -> Finder:
    return lambda path: identify(path, point.conversion.framework).files


def _place(there: Files, path: Path, digest: str, directory: Path, find: Finder) -> Path:
    fetched = directory / digest / path.name
    for place in (path, fetched):
        if _matches(place, digest, find):
            return place
    names = there.names(f"inputs/{digest}")
    if path.name not in names:
        raise InputError(
            "the file is missing or has changed since the sweep began, and is not in the store",
            where=str(path),
            remedy="start the sweep again, with a store that its workers share",
        )
    fetched.parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        fetched.with_name(name).write_bytes(there.read(f"inputs/{digest}/{name}") or b"")
    if not _matches(fetched, digest, find):
        raise InputError(
            "the file is corrupt in the store", where=str(path), remedy="start the sweep again"
        )
    return fetched


def _matches(path: Path, digest: str, find: Finder) -> bool:
    """Return whether a file is there, with those that belong to it, as the sweep saw it."""
    try:
        return digest_of(find(path)) == digest
    except InputError:
        return False


def _target(path: Path, digest: str) -> str:
    return f"inputs/{digest}/{path.name}"
