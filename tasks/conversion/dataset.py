"""Test data of a model: an .npz file, checked before anything expensive starts.

The arrays may be larger than the memory: they are unpacked to .npy files and mapped.
"""

import contextlib
import logging
import math
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tasks.core.errors import InputError
from tasks.core.records.design import FixedPoint

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]

NAMES = ("X_test", "y_test")
CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class Dataset:
    """Held-out samples and what they should give.

    Attributes:
        x: samples x input shape, finite; the dtype of the file.
        y: samples, class numbers; or samples x outputs, one-hot or targets.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]


@dataclass(frozen=True)
class _Header:
    """What an .npy file says of its array, and where that begins."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int


def check(path: Path) -> None:
    """Check `X_test` and `y_test` in an .npz file, some megabytes at a time.

    Raises:
        InputError: no such file, not an .npz, an array is missing, empty, of another length than
            the other, not numeric, or not finite.
    """
    for name, header in _headers(path).items():
        with _opened(path) as archive, _member(archive, name, path) as member:
            member.read(header.offset)
            _require_finite(_blocks(member, header), header, name, str(path))


def read(path: Path) -> Dataset:
    """Read `X_test` and `y_test` from an .npz file into memory.

    Raises:
        InputError: as `check`.
    """
    check(path)
    with np.load(path, allow_pickle=False) as arrays:
        return Dataset(arrays["X_test"], arrays["y_test"])


def unpack(path: Path, directory: Path) -> Dataset:
    """Unpack `X_test` and `y_test` to .npy files and map them.

    Args:
        path: the .npz file.
        directory: gets the two files.

    Raises:
        InputError: as `check`.
    """
    arrays = {}
    for name, header in _headers(path).items():
        file = directory / f"{name}.npy"
        with (
            _opened(path) as archive,
            _member(archive, name, path) as member,
            file.open("wb") as target,
        ):
            shutil.copyfileobj(member, target, CHUNK_BYTES)
        with file.open("rb") as written:
            written.seek(header.offset)
            _require_finite(_blocks(written, header), header, name, str(path))
        arrays[name] = np.load(file, mmap_mode="r", allow_pickle=False)
    return Dataset(arrays["X_test"], arrays["y_test"])


def _headers(path: Path) -> dict[str, _Header]:
    """Read and check the headers of the arrays; their values are not read."""
    with _opened(path) as archive:
        headers = {name: _header(archive, name, path) for name in _members(archive, path)}
    for name, header in headers.items():
        if header.dtype.kind not in "fiub":
            raise InputError(f"{name} is of dtype {header.dtype}, not numeric", where=str(path))
        if not header.shape or not math.prod(header.shape):
            raise InputError(f"{name} is empty (shape {header.shape})", where=str(path))
    x, y = (headers[name].shape[0] for name in NAMES)
    if x != y:
        raise InputError(f"X_test has {x} samples, y_test {y}", where=str(path))
    return headers


@contextlib.contextmanager
def _member(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[IO[bytes]]:
    """Open an array's file in the archive; what is damaged in it shows while it is read."""
    try:
        with archive.open(f"{name}.npy") as member:
            yield member
    # RuntimeError: encrypted; NotImplementedError, one of its kind: packed in another way.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _not_npz(path) from error


def _blocks(file: IO[bytes], header: _Header) -> Iterator[npt.NDArray[Any]]:
    """Yield an array's values in the order of the file."""
    size = header.dtype.itemsize
    while block := file.read(CHUNK_BYTES // size * size):
        yield np.frombuffer(block, header.dtype)


def _require_finite(
    blocks: Iterable[npt.NDArray[Any]], header: _Header, name: str, where: str
) -> None:
    bad, first, passed = 0, None, 0
    for block in blocks:
        wrong = np.flatnonzero(~np.isfinite(block))
        if len(wrong) and first is None:
            shape = header.shape[::-1] if header.fortran else header.shape
            place = [int(each) for each in np.unravel_index(passed + int(wrong[0]), shape)]
            first = place[::-1] if header.fortran else place
        bad += len(wrong)
        passed += len(block)
    if bad:
        raise InputError(
            f"{name} holds {bad} values that are NaN or infinite, the first at {first}",
            where=where,
            remedy="remove or replace them",
        )


def chunks(array: npt.NDArray[Any]) -> Iterator[slice]:
    """Yield slices of the samples that take some megabytes each."""
    step = max(1, CHUNK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        yield slice(start, min(start + step, len(array)))


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError("no such data file", where=str(path)) from None
    except (OSError, zipfile.BadZipFile) as error:
        raise _not_npz(path) from error


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, str]:
    held = [name.removesuffix(".npy") for name in archive.namelist()]
    missing = [name for name in NAMES if name not in held]
    if missing:
        raise InputError(
            f"holds {', '.join(held) or 'nothing'}, but no {' and no '.join(missing)}",
            where=str(path),
            remedy="save it with numpy.savez(path, X_test=..., y_test=...)",
        )
    return {name: f"{name}.npy" for name in NAMES}


def _header(archive: zipfile.ZipFile, name: str, path: Path) -> _Header:
    """Read a header, and check that the file holds what it promises: nothing is allocated yet."""
    try:
        with _member(archive, name, path) as member:
            version = np.lib.format.read_magic(member)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran, dtype = read(member)
            header = _Header(shape, fortran, dtype, member.tell())
            size = archive.getinfo(f"{name}.npy").file_size
    except (ValueError, KeyError, OSError) as error:
        raise _not_npz(path) from error
    if dtype.hasobject or size != header.offset + math.prod(shape) * dtype.itemsize:
        raise _not_npz(path)
    return header


def _not_npz(path: Path) -> InputError:
    return InputError(
        "is not an .npz file of plain arrays",
        where=str(path),
        remedy="save it with numpy.savez(path, X_test=..., y_test=...), no object arrays",
    )


def checked(data: Dataset, path: Path) -> Dataset:
    """Return test data of numbers, one expected output a sample.

    Raises:
        InputError: an array is empty, not numeric, not finite, or shorter than the other.
    """
    where = str(path)
    for name, array in (("X_test", data.x), ("y_test", data.y)):
        if array.dtype.kind not in "fiub":
            raise InputError(f"{name} is of dtype {array.dtype}, not numeric", where=where)
        if array.ndim == 0 or array.size == 0:
            raise InputError(f"{name} is empty (shape {array.shape})", where=where)
        check_finite(array, name, where)
    if len(data.x) != len(data.y):
        raise InputError(f"X_test has {len(data.x)} samples, y_test {len(data.y)}", where=where)
    return data


def check_finite(array: npt.NDArray[Any], name: str, where: str) -> None:
    """Refuse an array with values that are NaN or infinite, and name the first.

    Raises:
        InputError: there are some.
    """
    header = _Header(array.shape, fortran=False, dtype=array.dtype, offset=0)
    _require_finite((np.ravel(array[part]) for part in chunks(array)), header, name, where)


def drawn(shape: tuple[int, ...], element: FixedPoint, samples: int = 100) -> FloatArray:
    """Return random inputs within a number format's range; the same ones every time.

    Whole numbers are spread over the range. Numbers with a fraction follow the standard normal
    distribution, which training data are mostly scaled to.
    """
    rng = np.random.default_rng(0)
    step = 2.0**-element.fraction
    size = (samples, *shape)
    values = (
        rng.uniform(element.low, element.high, size)
        if element.fraction <= 0
        else rng.normal(size=size)
    )
    inside = np.clip(values, element.low, element.high)
    return (np.round(inside / step) * step).astype(np.float32)


def match_input(x: npt.NDArray[Any], shape: tuple[int, ...], dtype: str) -> FloatArray:
    """Return the samples, if they are what the model takes.

    Args:
        x: samples x anything.
        shape: of one sample of the model's input.
        dtype: of the model's input.

    Raises:
        InputError: another shape than the model's, or numbers that its dtype does not hold.
    """
    if x.shape[1:] != shape:
        raise InputError(
            f"X_test has samples of shape {x.shape[1:]}, the model takes {shape}",
            where="X_test",
            remedy="reshape or rescale the samples as in training",
        )
    for part in chunks(x):
        converted = x[part].astype(dtype)
        if not np.array_equal(converted.astype(np.float64), x[part].astype(np.float64)):
            raise InputError(
                f"X_test is {x.dtype}, and {dtype}, which the model takes, rounds its values",
                where="X_test",
                remedy=f"save X_test.astype('{dtype}'), after the scaling used in training",
            )
    if x.dtype != np.dtype(dtype):
        log.info("converted X_test from %s to %s, without a change of value", x.dtype, dtype)
    return x if x.dtype == np.float32 else np.ascontiguousarray(x, dtype=np.float32)


def write_floats(
    path: Path, array: npt.NDArray[Any], arrange: Callable[[Any], Any] = np.asarray
) -> FloatArray:
    """Save an array as float32 samples in C order, and map it; `path` may be the array's own.

    Args:
        path: of the .npy file.
        array: samples.
        arrange: puts the axes of some samples in another order.
    """
    aside = path.with_suffix(".part.npy")
    shape = (len(array), *arrange(array[:1]).shape[1:])
    target = np.lib.format.open_memmap(aside, "w+", np.float32, shape)
    for part in chunks(array):
        target[part] = arrange(array[part])
    target.flush()
    aside.replace(path)
    mapped: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped
