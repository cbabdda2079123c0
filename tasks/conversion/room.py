"""Whether there is room for test data, asked before they are read or copied."""

import shutil
from pathlib import Path

from tasks.core.errors import InputError, StoreError
from tasks.processes.memory import available_bytes

_FLOAT_BYTES, _GB = 4, 1e9
# A table is read as doubles, and its inputs are copied as floats.
_TABLE_BYTES = 8 + _FLOAT_BYTES
_SAMPLE_BYTES = 1 << 16


def require_disk(path: Path, stored_bytes: int, values: int, directory: Path) -> None:
    """Refuse data whose copies do not fit on the store's disk.

    Args:
        path: of the data.
        stored_bytes: of the arrays in their own dtype, uncompressed.
        values: numbers in them.
        directory: where a run works.

    Raises:
        StoreError: a run would fill the disk.
    """
    # Unpacked, as float32, and again in the package, which random numbers hardly compress.
    needed = stored_bytes + 2 * _FLOAT_BYTES * values
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise StoreError(
            f"not enough space for the test data {path}: a run writes about "
            f"{needed / _GB:.1f} GB, {free / _GB:.1f} GB are free",
            where=str(directory),
            remedy="give fewer samples, free some space with `overlayflow store prune`, or set "
            "OVERLAYFLOW_STORE to a larger disk",
        )


def require_memory(path: Path, values: int) -> None:
    """Refuse a table that does not fit into memory, where it is read as a whole.

    Raises:
        InputError: it is too large.
    """
    needed, available = _TABLE_BYTES * values, available_bytes()
    if needed > available:
        raise InputError(
            f"takes about {needed / _GB:.1f} GB of memory, {available / _GB:.1f} GB are available",
            where=str(path),
            remedy="save it as .npz with numpy.savez(path, X_test=..., y_test=...), which is read "
            "in parts",
        )


def values_of_csv(path: Path) -> int:
    """Return about how many numbers a CSV file holds, by how many its first lines do."""
    with path.open("rb") as file:
        first = file.read(_SAMPLE_BYTES)
    separators = first.count(b",") + first.count(b"\n")
    return path.stat().st_size * separators // max(1, len(first))
