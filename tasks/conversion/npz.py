"""Reads and checks test data in an .npz file, before anything expensive starts.

The arrays may be larger than memory: they are unpacked to .npy files and mapped.
"""

import contextlib
import math
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.dataset import (
    CHUNK_BYTES,
    NAMES,
    Arrays,
    Dataset,
    require_finite,
    require_samples,
)
from tasks.core.errors import InputError

# With several inputs or outputs, each has an array, identified by its name or number.
ARRAY = re.compile(r"(X_test|y_test)(_\w+)?")


@dataclass(frozen=True)
class Header:
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
            _require_finite(member, header, name, path)


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
            _require_finite(written, header, name, path)
        arrays[name] = np.load(file, mmap_mode="r", allow_pickle=False)
    return _sorted(arrays)


def _sorted(arrays: Arrays) -> Dataset:
    x, y = ({name: arrays[name] for name in arrays if name.startswith(kind)} for kind in NAMES)
    return Dataset(x, y)


def _headers(path: Path) -> dict[str, Header]:
    """Read and check the headers of the arrays, but not their values."""
    with _opened(path) as archive:
        headers = {name: _header(archive, name, path) for name in _members(archive, path)}
    require_samples({name: (each.shape, each.dtype) for name, each in headers.items()}, path)
    return headers


@contextlib.contextmanager
def _member(archive: zipfile.ZipFile, name: str, path: Path) -> Iterator[IO[bytes]]:
    """Open an array's file in the archive; damage only shows while it is read."""
    try:
        with archive.open(f"{name}.npy") as member:
            yield member
    # RuntimeError: encrypted; its subclass NotImplementedError: unknown compression.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _not_npz(path) from error


def _require_finite(file: IO[bytes], header: Header, name: str, path: Path) -> None:
    """Check the values of an array, from its offset in a file."""
    blocks = _blocks(file, header)
    require_finite(blocks, header.shape, name, str(path), fortran=header.fortran)


def _blocks(file: IO[bytes], header: Header) -> Iterator[npt.NDArray[Any]]:
    """Yield an array's values in file order."""
    size = header.dtype.itemsize
    while block := file.read(CHUNK_BYTES // size * size):
        yield np.frombuffer(block, header.dtype)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise missing(path) from None
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


def _header(archive: zipfile.ZipFile, name: str, path: Path) -> Header:
    try:
        with _member(archive, name, path) as member:
            return header(member, archive.getinfo(f"{name}.npy").file_size)
    except (ValueError, OSError) as error:
        raise _not_npz(path) from error


def header(content: IO[bytes], size: int) -> Header:
    """Read the header of an .npy file of numbers, before anything is allocated for its array.

    Args:
        content: of the file; the array follows.
        size: of the file.

    Raises:
        ValueError: it is none, or its size is not what its header says.
    """
    version = np.lib.format.read_magic(content)
    # Arrays of numbers have this version; a header of another may claim to have 4 GB.
    if version != (1, 0):
        raise ValueError(f"version {version} of .npy files is not read")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(content)
    if dtype.hasobject:
        raise ValueError("it holds objects, not numbers")
    offset = content.tell()
    if min(shape, default=0) < 0 or size != offset + math.prod(shape) * dtype.itemsize:
        raise ValueError(f"its header says {shape} of {dtype}, which is not its size")
    return Header(shape, fortran, dtype, offset)


def _not_npz(path: Path) -> InputError:
    return InputError(
        "is not an .npz file of plain arrays",
        where=str(path),
        remedy="save it with numpy.savez(path, X_test=..., y_test=...), no object arrays",
    )


def missing(path: Path) -> InputError:
    """Return the error for a data file that is not there."""
    return InputError(
        "no such data file", where=str(path), remedy=f"relative paths start at {Path.cwd()}"
    )
