"""Reads and checks a model's test data in an .npz file, before anything expensive starts.

The arrays may be larger than memory: they are unpacked to .npy files and mapped.
"""

import contextlib
import logging
import math
import mmap
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tasks.core.errors import InputError
from tasks.core.records.design import FixedPoint

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]

Arrays = Mapping[str, npt.NDArray[Any]]

NAMES = ("X_test", "y_test")
# With several inputs or outputs, each has an array, identified by its name or number.
ARRAY = re.compile(r"(X_test|y_test)(_\w+)?")
CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class Dataset:
    """Test samples and expected outputs: X_test and y_test, or X_test_NAME ....

    Attributes:
        x: samples x input shape, finite; in the file's dtype.
        y: class numbers by sample; or samples x outputs, one-hot or targets.
    """

    x: Arrays
    y: Arrays


@dataclass(frozen=True)
class _Header:
    """The header of an .npy file, and the offset of its array."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int


def check(path: Path) -> None:
    """Check the inputs and expected outputs in an .npz file, some megabytes at a time.

    Raises:
        InputError: no such file, not an .npz, or an array is missing, empty, not numeric, not
            finite, or of another length than the other.
    """
    for name, header in _headers(path).items():
        with _opened(path) as archive, _member(archive, name, path) as member:
            member.read(header.offset)
            _require_finite(_blocks(member, header), header, name, str(path))


def sizes(path: Path) -> tuple[int, int]:
    """Return how many bytes the arrays of an .npz file take unpacked, and how many numbers.

    Raises:
        InputError: as `check`, but for the values.
    """
    headers = _headers(path).values()
    counts = [math.prod(header.shape) for header in headers]
    stored = sum(
        count * header.dtype.itemsize for count, header in zip(counts, headers, strict=True)
    )
    return stored, sum(counts)


def read(path: Path) -> Dataset:
    """Read the inputs and expected outputs from an .npz file into memory.

    Raises:
        InputError: as `check`.
    """
    check(path)
    with np.load(path, allow_pickle=False) as arrays:
        return _sorted({name: arrays[name] for name in _headers(path)})


def unpack(path: Path, directory: Path) -> Dataset:
    """Unpack the inputs and expected outputs to .npy files and map them.

    Args:
        path: the .npz file.
        directory: for the files, one per array.

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
    return _sorted(arrays)


def _sorted(arrays: Arrays) -> Dataset:
    x, y = ({name: arrays[name] for name in arrays if name.startswith(kind)} for kind in NAMES)
    return Dataset(x, y)


def in_order(arrays: Arrays, kind: str, names: Sequence[str]) -> Arrays:
    """Return the arrays of a model's inputs or outputs, in its order.

    Args:
        arrays: of the data.
        kind: X_test or y_test.
        names: of the model's inputs or outputs.

    Raises:
        InputError: there is not exactly one array for each.
    """
    by_name = [f"{kind}_{name}" for name in names]
    by_number = [f"{kind}_{number}" for number in range(len(names))]
    for wanted in ([kind], by_name, by_number):
        if set(wanted) == set(arrays) and len(wanted) == len(names):
            return {name: arrays[name] for name in wanted}
    what = "input" if kind == "X_test" else "output"
    raise InputError(
        f"the data contain {', '.join(arrays)}, the model has "
        + (f"{len(names)} {what}s ({', '.join(names)})" if len(names) > 1 else f"one {what}"),
        where=kind,
        remedy="give an .npz file with "
        + (f"{', '.join(by_name)}: one array per {what}" if len(names) > 1 else kind),
    )


def joined(path: Path, parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Concatenate arrays of samples, sample by sample, as float32.

    Args:
        path: .npy file for the result; not written for a single array, which stays as it is.
        parts: samples x any shape.
    """
    if len(parts) == 1:
        return parts[0]
    sizes = [math.prod(part.shape[1:]) for part in parts]
    row = np.lib.format.open_memmap(path, "w+", np.float32, (len(parts[0]), sum(sizes)))
    start = 0
    for part, size in zip(parts, sizes, strict=True):
        for some in chunks(part, row):
            row[some, start : start + size] = part[some].reshape(-1, size)
        start += size
    return row


def _headers(path: Path) -> dict[str, _Header]:
    """Read and check the headers of the arrays, but not their values."""
    with _opened(path) as archive:
        headers = {name: _header(archive, name, path) for name in _members(archive, path)}
    _require_samples(headers, path)
    return headers


def _require_samples(arrays: Mapping[str, _Header | npt.NDArray[Any]], path: Path) -> None:
    """Refuse arrays that are not numbers, are empty, or differ in their number of samples."""
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise InputError(f"{name} is of dtype {array.dtype}, not numeric", where=str(path))
        if not array.shape or not math.prod(array.shape):
            raise InputError(f"{name} is empty (shape {array.shape})", where=str(path))
    first, *others = ((name, array.shape[0]) for name, array in arrays.items())
    for name, samples in others:
        if samples != first[1]:
            raise InputError(
                f"{first[0]} has {first[1]} samples, {name} {samples}", where=str(path)
            )


@contextlib.contextmanager
def _member(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[IO[bytes]]:
    """Open an array's file in the archive; damage only shows while it is read."""
    try:
        with archive.open(f"{name}.npy") as member:
            yield member
    # RuntimeError: encrypted; its subclass NotImplementedError: unknown compression.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _not_npz(path) from error


def _blocks(file: IO[bytes], header: _Header) -> Iterator[npt.NDArray[Any]]:
    """Yield an array's values in file order."""
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
    if passed != math.prod(header.shape):  # an archive's directory may promise more than it has
        raise InputError(
            f"{name} holds {passed} of the {math.prod(header.shape)} values of its shape",
            where=where,
            remedy="save it again",
        )
    if bad:
        raise InputError(
            f"{name} holds {bad} values that are NaN or infinite, the first at {first}",
            where=where,
            remedy="remove or replace them",
        )


def chunks(array: npt.NDArray[Any], *others: npt.NDArray[Any]) -> Iterator[slice]:
    """Yield slices of the samples that take some megabytes each.

    Args:
        array: samples.
        others: what is read or written along with them, sample by sample.
    """
    step = max(1, CHUNK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        yield slice(start, min(start + step, len(array)))
        release(array, *others)


def release(*arrays: npt.NDArray[Any]) -> None:
    """Give the memory of mapped arrays back: what was read or written of a file counts as ours."""
    for array in arrays:
        owner: Any = array
        while isinstance(owner, np.ndarray):
            owner = owner.base
        if isinstance(owner, mmap.mmap):
            owner.madvise(mmap.MADV_DONTNEED)


def value_range(array: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the smallest and the largest value."""
    ranges = [(array[part].min(), array[part].max()) for part in chunks(array)]
    return float(min(low for low, _ in ranges)), float(max(high for _, high in ranges))


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError("no such data file", where=str(path)) from None
    except (OSError, zipfile.BadZipFile) as error:
        raise _not_npz(path) from error


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, str]:
    held = [name.removesuffix(".npy") for name in archive.namelist()]
    found = [name for name in held if ARRAY.fullmatch(name)]
    wanted = {
        kind: [kind] if kind in found else [name for name in found if name.startswith(kind)]
        for kind in NAMES
    }
    missing = [kind for kind, names in wanted.items() if not names]
    if missing:
        raise InputError(
            f"contains {', '.join(held) or 'nothing'}, but no {' and no '.join(missing)}",
            where=str(path),
            remedy="save it with numpy.savez(path, X_test=..., y_test=...)",
        )
    return {name: f"{name}.npy" for names in wanted.values() for name in names}


def _header(archive: zipfile.ZipFile, name: str, path: Path) -> _Header:
    """Read a header and check the file's size against it, before anything is allocated."""
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
    sized = min(shape, default=0) >= 0 and size == header.offset + math.prod(shape) * dtype.itemsize
    if dtype.hasobject or not sized:
        raise _not_npz(path)
    return header


def _not_npz(path: Path) -> InputError:
    return InputError(
        "is not an .npz file of plain arrays",
        where=str(path),
        remedy="save it with numpy.savez(path, X_test=..., y_test=...), no object arrays",
    )


def checked(data: Dataset, path: Path) -> Dataset:
    """Return test data, checked to be numbers with one expected output per sample.

    Raises:
        InputError: an array is empty, not numeric, not finite, or shorter than the other.
    """
    arrays = {**data.x, **data.y}
    _require_samples(arrays, path)
    for name, array in arrays.items():
        check_finite(array, name, str(path))
    return data


def check_finite(array: npt.NDArray[Any], name: str, where: str) -> None:
    """Refuse an array with NaN or infinite values, and name the first.

    Raises:
        InputError: there are such values.
    """
    header = _Header(array.shape, fortran=False, dtype=array.dtype, offset=0)
    _require_finite((np.ravel(array[part]) for part in chunks(array)), header, name, where)


def drawn(shape: tuple[int, ...], element: FixedPoint, samples: int = 100) -> FloatArray:
    """Return random inputs within a number format's range; deterministic.

    Integers are spread over the range. Numbers with a fraction follow the standard normal
    distribution, to which training data are usually scaled.
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


def match_input(
    x: npt.NDArray[Any], shape: tuple[int, ...], dtype: str, name: str = "X_test"
) -> None:
    """Check that samples fit the model's input.

    Args:
        x: samples x anything.
        shape: of one sample of the model's input.
        dtype: of the model's input.
        name: of the array in the data.

    Raises:
        InputError: the shape differs from the model's, or its dtype cannot represent the values.
    """
    if x.shape[1:] != shape:
        raise InputError(
            f"{name} has samples of shape {x.shape[1:]}, the model takes {shape}",
            where=name,
            remedy="reshape or rescale the samples as in training",
        )
    for part in chunks(x):
        converted = x[part].astype(dtype)
        if not np.array_equal(converted.astype(np.float64), x[part].astype(np.float64)):
            raise InputError(
                f"{name} is {x.dtype}, and {dtype}, which the model takes, rounds its values",
                where=name,
                remedy=f"save {name}.astype('{dtype}'), after the scaling used in training",
            )
    if x.dtype != np.dtype(dtype):
        log.info("%s is converted from %s to %s without changing values", name, x.dtype, dtype)


def write_floats(
    path: Path, array: npt.NDArray[Any], arrange: Callable[[Any], Any] = np.asarray
) -> FloatArray:
    """Save an array as float32 samples in C order, and map it; `path` may be the array's own.

    Args:
        path: of the .npy file.
        array: samples.
        arrange: reorders the axes of some samples.
    """
    aside = path.with_suffix(".part.npy")
    shape = (len(array), *arrange(array[:1]).shape[1:])
    target = np.lib.format.open_memmap(aside, "w+", np.float32, shape)
    for part in chunks(array, target):
        target[part] = arrange(array[part])
    target.flush()
    aside.replace(path)
    mapped: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped
