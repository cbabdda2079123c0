"""Reads test data from .npz, pairs of .npy, CSV and Parquet files."""

import array
import csv
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion import dataset, npz, room
from tasks.conversion.dataset import Dataset
from tasks.core.errors import InputError, ToolMissingError
from tasks.core.regular import require_regular

NUMBER = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")


def files(path: Path) -> tuple[Path, ...]:
    """Return the files of a data set: the given one, and the other of a .npy pair.

    Raises:
        InputError: a .npy file has no partner.
    """
    return (path, _partner(path)) if path.suffix == ".npy" else (path,)


def read(path: Path, target: str = "") -> Dataset:
    """Read test data in the format given by the suffix.

    Args:
        path: .npz with X_test and y_test, or one array per input and output (X_test_NAME,
            y_test_NAME); .npy of X, next to that of y; .csv; .parquet.
        target: the column of a table with the classes or targets; all others are inputs.

    Raises:
        InputError: no such file, a format that differs from its suffix, or unusable test data.
        ToolMissingError: Parquet is not installed.
    """
    if path.suffix not in {".csv", ".parquet"}:
        if target:
            raise InputError(
                f"has no column {target!r}: it is not a table",
                where=str(path),
                remedy="drop --target",
            )
        return _pair(path) if path.suffix == ".npy" else npz.read(path)
    if not path.is_file():
        raise npz.missing(path)
    names, values = _csv(path) if path.suffix == ".csv" else _parquet(path)
    if target not in names:
        raise InputError(
            f"has no column {target!r}" if target else "is a table, but no target column is given",
            where=str(path),
            remedy=f"--target one of {', '.join(names)}",
        )
    index = names.index(target)
    x = np.empty((len(values), len(names) - 1), np.float32)
    with np.errstate(over="ignore"):  # to infinity, which is said below
        x[:, :index], x[:, index:] = values[:, :index], values[:, index + 1 :]
    for name, column in zip(names[:index] + names[index + 1 :], range(x.shape[1]), strict=True):
        _require_exact(name, values[:, column + (column >= index)], x[:, column], path)
    return dataset.checked(Dataset({"X_test": x}, {"y_test": values[:, index]}), path)


def _require_exact(
    name: str, given: npt.NDArray[np.float64], kept: npt.NDArray[np.float32], path: Path
) -> None:
    """Refuse a column that float32 changes; decimals of a text it may round."""
    changed = (kept != given) & np.isfinite(given)
    if path.suffix == ".csv":
        changed &= given == np.round(given)
    if changed.any():
        raise InputError(
            f"column {name} has {given[changed][0]:.17g}, which float32, the model's type, rounds",
            where=str(path),
            remedy=f"scale it as in training, and write table['{name}'].astype('float32')",
        )


def check(path: Path, target: str = "") -> None:
    """Check test data without loading an .npz into memory.

    Arguments and errors as in `read`.
    """
    require_regular(path)
    for file in files(path):
        require_regular(file)
    if path.suffix == ".npz" and not target:
        npz.check(path)
    else:
        read(path, target)


def unpack(path: Path, target: str, directory: Path) -> Dataset:
    """Read test data; unpack and map the arrays of an .npz instead of loading them.

    Other arguments and errors as in `read`.
    """
    if path.suffix == ".npz" and not target:
        return npz.unpack(path, directory)
    return read(path, target)


def require_room(path: Path, directory: Path) -> None:
    """Refuse test data whose copies would fill the disk of a directory, before any is made.

    Raises:
        InputError: as `read`.
        StoreError: there is not enough space.
    """
    if path.suffix == ".npz":
        stored, values = npz.sizes(path)
    elif path.suffix == ".npy":
        stored, values = 0, sum(_array(each).size for each in files(path))
    else:
        return  # a table fits into memory, and `read` sees to that
    room.require_disk(path, stored, values, directory)


def _pair(path: Path) -> Dataset:
    x, y = (_array(each) for each in files(path))
    return dataset.checked(Dataset({"X_test": x}, {"y_test": y}), path)


def _partner(path: Path) -> Path:
    found = path.with_name(f"y{path.name[1:]}")
    if path.name[:1] not in {"X", "x"} or not found.is_file():
        raise InputError(
            "has no partner with the expected outputs",
            where=str(path),
            remedy="put X_test.npy and y_test.npy into one directory, and pass the first",
        )
    return found


def _array(path: Path) -> npt.NDArray[Any]:
    try:
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise npz.missing(path) from None
    except MemoryError as error:
        raise InputError(
            f"claims more memory than this machine has: {error}", where=str(path)
        ) from None
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            "is not a .npy file of a plain array",
            where=str(path),
            remedy="save it with numpy.save(path, array), no object array",
        ) from error
    return found


def _csv(path: Path) -> tuple[list[str], npt.NDArray[np.float64]]:
    room.require_memory(path, room.values_of_csv(path))
    values = array.array("d")
    try:
        with path.open(newline="") as file:
            rows = csv.reader(file)
            names = [name.strip() for name in next(rows, [])]
            lengths = set()
            for row in rows:
                values.extend(map(float, row))
                lengths.add(len(row) or len(names))  # empty lines are skipped
    except (ValueError, csv.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"is not a CSV file of numbers: {error}",
            where=str(path),
            remedy="write class names as numbers, below one line of column names",
        ) from None
    if not _is_header(names) or lengths - {len(names)}:
        raise InputError(
            "has no line of column names, or rows of different lengths",
            where=str(path),
            remedy="start it with one line of column names; give each row as many values",
        )
    return names, np.frombuffer(values, dtype=np.float64).reshape(-1, len(names))


def _is_header(names: list[str]) -> bool:
    """Return whether a first line has names instead of numbers or nothing."""
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
        about = parquet.read_metadata(path)
        room.require_memory(path, 2 * about.num_rows * about.num_columns)  # Arrow has its own copy
        table = parquet.read_table(path)
        columns = [table[name].to_numpy().astype(np.float64) for name in table.column_names]
    except (ArrowException, OSError, ValueError, TypeError) as error:
        reason = next(itertools.chain(str(error).splitlines(), [type(error).__name__]))
        raise InputError(f"is not a Parquet file of numbers: {reason}", where=str(path)) from None
    return list(table.column_names), np.stack(columns, axis=1)
