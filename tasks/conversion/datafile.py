"""Test data in the files that people have: .npz, pairs of .npy, CSV, Parquet."""

import csv
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion import dataset
from tasks.conversion.dataset import Dataset
from tasks.core.errors import InputError, ToolMissingError

NUMBER = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")


def files(path: Path) -> tuple[Path, ...]:
    """Return the files of a data set: the one that is named, and of a .npy pair the other.

    Raises:
        InputError: a .npy file has no partner.
    """
    return (path, _partner(path)) if path.suffix == ".npy" else (path,)


def read(path: Path, target: str = "") -> Dataset:
    """Read test data; the suffix says in which form they are.

    Args:
        path: .npz with X_test and y_test, or one array for each input and output (X_test_NAME,
            y_test_NAME); .npy of X, with that of y beside it; .csv; .parquet.
        target: the column of a table that holds the classes or targets; all others are inputs.

    Raises:
        InputError: no such file, another form than its suffix says, or no use as test data.
        ToolMissingError: Parquet is not installed.
    """
    if path.suffix not in {".csv", ".parquet"}:
        if target:
            raise InputError(
                f"has no column {target!r}: it is no table", where=str(path), remedy="drop --target"
            )
        return _pair(path) if path.suffix == ".npy" else dataset.read(path)
    if not path.is_file():
        raise InputError("no such data file", where=str(path))
    names, values = _csv(path) if path.suffix == ".csv" else _parquet(path)
    if target not in names:
        raise InputError(
            f"has no column {target!r}" if target else "is a table, without a named target",
            where=str(path),
            remedy=f"--target one of {', '.join(names)}",
        )
    index = names.index(target)
    x = np.delete(values, index, axis=1).astype(np.float32)
    return dataset.checked(Dataset({"X_test": x}, {"y_test": values[:, index]}), path)


def check(path: Path, target: str = "") -> None:
    """Check test data, without holding an .npz in memory.

    Arguments and errors as `read`.
    """
    if path.suffix == ".npz" and not target:
        dataset.check(path)
    else:
        read(path, target)


def unpack(path: Path, target: str, directory: Path) -> Dataset:
    """Read test data; arrays of an .npz are unpacked to a directory and mapped, not read.

    Other arguments and errors as `read`.
    """
    if path.suffix == ".npz" and not target:
        return dataset.unpack(path, directory)
    return read(path, target)


def _pair(path: Path) -> Dataset:
    x, y = (_array(each) for each in files(path))
    return dataset.checked(Dataset({"X_test": x}, {"y_test": y}), path)


def _partner(path: Path) -> Path:
    found = path.with_name(f"y{path.name[1:]}")
    if path.name[:1] not in {"X", "x"} or not found.is_file():
        raise InputError(
            "has no partner with the expected outputs",
            where=str(path),
            remedy="name the pair X_test.npy and y_test.npy, in one directory, and give the first",
        )
    return found


def _array(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError("no such data file", where=str(path)) from None
    except MemoryError as error:
        raise InputError(
            f"claims more than this machine has memory for: {error}", where=str(path)
        ) from None
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            "is not a .npy file of a plain array",
            where=str(path),
            remedy="save it with numpy.save(path, array), no object array",
        ) from error
    return array


def _csv(path: Path) -> tuple[list[str], npt.NDArray[np.float64]]:
    try:
        with path.open(newline="") as file:
            rows = csv.reader(file)
            names = [name.strip() for name in next(rows, [])]
            values = [[float(each) for each in row] for row in rows if row]
    except (ValueError, csv.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"is no CSV file of numbers: {error}",
            where=str(path),
            remedy="write class names as numbers, below one line of column names",
        ) from None
    if not _is_header(names) or any(len(row) != len(names) for row in values):
        raise InputError(
            "has no line of column names, or rows of another length",
            where=str(path),
            remedy="begin it with one line of column names; give every row as many values",
        )
    return names, np.array(values, dtype=np.float64).reshape(len(values), len(names))


def _is_header(names: list[str]) -> bool:
    """Return whether a first line holds names, rather than numbers or nothing."""
    return bool(names) and not all(re.fullmatch(NUMBER, name) for name in names)


def _parquet(path: Path) -> tuple[list[str], npt.NDArray[np.float64]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise ToolMissingError(
            "Parquet files need pyarrow, which is not installed",
            where=str(path),
            remedy="pip install 'overlayflow[parquet]', or save it as CSV",
        ) from None
    try:
        table = parquet.read_table(path)
        columns = [table[name].to_numpy().astype(np.float64) for name in table.column_names]
    except (ArrowException, OSError, ValueError, TypeError) as error:
        reason = next(itertools.chain(str(error).splitlines(), [type(error).__name__]))
        raise InputError(f"is no Parquet file of numbers: {reason}", where=str(path)) from None
    return list(table.column_names), np.stack(columns, axis=1)
