"""Refuses named pipes and devices where a file is needed."""

import stat
from pathlib import Path

from tasks.core.errors import InputError


def require_regular(path: Path) -> None:
    """Refuse what is neither a file nor a directory: reading it may wait forever, or never end.

    Whoever reads the path reports that it is missing, or a directory.

    Raises:
        InputError: it is a named pipe, a socket or a device; its name is too long; or its
            directory is closed to this user.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(
            "is a pipe or a device, not a file",
            where=str(path),
            remedy="write its content to a file, and give that",
        )
