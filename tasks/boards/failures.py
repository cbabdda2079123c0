"""What the network and paramiko report, as this project's errors."""

from tasks.core.errors import BoardUnreachableError


def unreachable(where: str, what: str) -> BoardUnreachableError:
    """The board is off or gone; a retry may find it again."""
    return BoardUnreachableError(
        what, where=where, remedy="check that the board is on and on the network"
    )


def reason(error: BaseException) -> str:
    """The error in words, also where the library gives none."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
