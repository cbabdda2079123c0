"""Refuses named pipes, devices and closed files where a file is needed."""

import errno
import stat
from pathlib import Path

from tasks.core import settings
from tasks.core.errors import InputError


def require_regular(path: Path) -> None:
    """Refuse what is neither a file nor a directory, as reading it may wait forever or never end.

    Whoever reads the path reports that it is missing, or a directory.

    Raises:
        InputError: it is a named pipe, a socket or a device; its name is too long; or it or its
            directory is closed to this user.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise unreadable(path, error) from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(
            "is a pipe or a device, not a file",
            where=str(path),
            remedy="write its content to a file, and give that",
        )


def unreadable(path: Path, error: OSError) -> InputError:
    """Return the error for a file that the system does not open."""
    remedy = f"give the path of a file; relative ones start at {Path.cwd()}"
    if isinstance(error, PermissionError):
        remedy = f"let {settings.user()} read it and its directory, or give a copy"
    elif error.errno in {errno.ENOENT, errno.ELOOP} and path.is_symlink():
        remedy = f"it is a link to {path.readlink()}: give the file itself"
    return InputError(f"cannot be read: {error.strerror}", where=str(path), remedy=remedy)
