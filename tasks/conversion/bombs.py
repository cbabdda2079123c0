"""Refuses model files that are, or unpack to, more than any model for these boards.

What a file claims is read from its directory; nothing is unpacked for it.
"""

import zipfile
from pathlib import Path

from tasks.core.errors import InputError
from tasks.core.regular import require_regular

LARGEST_BYTES = 1_000_000_000


def require_size(path: Path) -> None:
    """Check the size of a model file, and what its arrays and members take unpacked.

    Raises:
        InputError: it is too large, or is no file.
        OSError: it cannot be read.
    """
    require_regular(path)
    for has, size in (("has", path.stat().st_size), ("unpacks to", _unpacked_bytes(path))):
        if size > LARGEST_BYTES:
            raise InputError(
                f"{has} {size / 1e9:.1f} GB, too big for any design on these boards",
                where=str(path),
                remedy="give the model alone, without optimizer state or data",
            )


def _unpacked_bytes(path: Path) -> int:
    """Return what an archive's members or an HDF5 file's arrays take; 0 of another file."""
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                return sum(member.file_size for member in archive.infolist())
        except (zipfile.BadZipFile, ValueError):  # whoever reads it says so
            return 0
    import h5py

    sizes: list[int] = []

    def measure(_: str, held: object) -> None:
        if isinstance(held, h5py.Dataset):
            sizes.append(held.size * held.dtype.itemsize)

    try:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                file.visititems(measure)
    except (OSError, RuntimeError, ValueError):  # truncated
        return 0
    return sum(sizes)
