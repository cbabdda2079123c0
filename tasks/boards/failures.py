"""Converts errors of the network and paramiko to this project's errors."""

from tasks.core.errors import BoardUnreachableError


def unreachable(where: str, what: str) -> BoardUnreachableError:
    """Return the error for a board that is off or gone; a retry may reach it again."""
    return BoardUnreachableError(
        what, where=where, remedy="check that the board is on and on the network"
    )


def reason(error: BaseException) -> str:
    """Describe an error in words, even if the library gives none."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
