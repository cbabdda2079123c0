"""Digests of files: what a model, data or a package is known by."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tasks.core.errors import InputError
from tasks.core.regular import require_regular


def digest_of(paths: Sequence[Path]) -> str:
    """Return the hex SHA-256 of a file; for several files, that of their digests.

    Raises:
        InputError: one of them cannot be read.
    """
    digests = [file_digest(path) for path in paths]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the hex SHA-256 of a file.

    Raises:
        InputError: the file cannot be read.
    """
    require_regular(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
