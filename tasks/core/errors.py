"""The one error tree: what went wrong, where, and what to do about it.

OverlayflowError               exit code 1
  InputError                   exit code 2: the user's input or set-up; the same input fails again
    UnsupportedModelError      a model or layer that a step cannot take
    DoesNotFitError            the design needs more than the part has
    ToolMissingError           a tool is not installed, or not in the version needed
  ToolError                    an external tool failed: exit status, first cause, log
    ToolTimeoutError           it was stopped at its deadline
    DiskFullError              exit code 2: it had no space left
    BuildError                 a vendor tool failed, with its diagnosis and what was kept
  StoreError                   exit code 2: the store cannot be read or written (disk full, rights)
  ServerError                  exit code 2: the Prefect server cannot be reached (transient)
  BoardError                   exit code 2: a board could not be used
    BoardUnreachableError      off, no route, connection lost (transient)
    BoardBusyError             somebody else's lease (transient)
    LoginError                 user, password or key refused
    HostKeyError               unknown or changed host key
    BenchmarkError             exit code 1: the run on the board failed (DMA time-out, wrong clock)
    BoardsFailedError          exit code 1: of several boards, some failed
  GateError                    exit code 1: a gate between two steps failed
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

# permanent: the same input fails again. configuration: this machine must change. transient: it may
# go well next time. resource: more memory or disk, or fewer jobs.
FailureClass = Literal["permanent", "configuration", "transient", "resource"]


class OverlayflowError(Exception):
    """An error that a person can act on.

    Attributes:
        what: what went wrong, one sentence.
        where: the file, layer, tool or board it happened at.
        remedy: what to do about it.
        transient: whether the same call may succeed later, so that a retry makes sense.
    """

    exit_code: ClassVar[int] = 1
    transient: bool = False

    def __init__(
        self, what: str, *, where: str = "", remedy: str = "", transient: bool | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy
        if transient is not None:
            self.transient = transient

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  -> {self.remedy}" if self.remedy else text

    def __reduce__(self) -> tuple[object, ...]:
        # Prefect pickles exceptions; keyword-only arguments need the instance's own state.
        return (_rebuild, (type(self), self.__dict__))


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error itself, what it was raised from or while that was handled, and so on."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _rebuild(cls: type[OverlayflowError], state: dict[str, object]) -> OverlayflowError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["what"])
    error.__dict__.update(state)
    return error


class InputError(OverlayflowError):
    """The user's input cannot be used; nothing was written."""

    exit_code = 2


class UnsupportedModelError(InputError):
    """A model, or one of its layers, that a step cannot take."""


class DoesNotFitError(InputError):
    """The design needs more than the part has."""


class ToolMissingError(InputError):
    """A tool is not installed, or not in the version that is needed."""


class ToolError(OverlayflowError):
    """An external tool failed.

    Attributes:
        returncode: the exit status; negative is minus the signal's number (as in subprocess).
        log: the full log of the run.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        remedy: str = "",
        transient: bool | None = None,
        returncode: int | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy, transient=transient)
        self.returncode = returncode
        self.log = log

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n  full log: {self.log}" if self.log else text


class ToolTimeoutError(ToolError):
    """A tool was stopped at its deadline."""


class DiskFullError(ToolError):
    """A tool had no space left for what it writes."""

    exit_code = 2


class BuildError(ToolError):
    """A vendor tool failed.

    Attributes:
        tool: its name.
        version: its version.
        failure_class: what kind of failure it is; decides about further tries.
        signature: id of the known failure that was recognised; empty for none.
        tries: how often the tool was run.
        bundle: an archive of logs, reports and settings for whoever looks into it.
    """

    def __init__(
        self,
        what: str,
        *,
        tool: str,
        version: str,
        failure_class: FailureClass,
        where: str = "",
        remedy: str = "",
        signature: str = "",
        returncode: int | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy, returncode=returncode, log=log)
        self.tool = tool
        self.version = version
        self.failure_class = failure_class
        self.signature = signature
        self.tries = 1
        self.bundle: Path | None = None

    def __str__(self) -> str:
        text = f"{super().__str__()}\n  {self.failure_class} failure of {self.tool} {self.version}"
        tried = f"{text}, {self.tries} tries" if self.tries > 1 else text
        return f"{tried}\n  kept for whoever looks into it: {self.bundle}" if self.bundle else tried


class StoreError(OverlayflowError):
    """The store cannot be read or written."""

    exit_code = 2


class ServerError(OverlayflowError):
    """The Prefect server cannot be reached."""

    exit_code = 2
    transient = True


class BoardError(OverlayflowError):
    """A board could not be used."""

    exit_code = 2


class BoardUnreachableError(BoardError):
    """The board is off, has no route, or the connection was lost."""

    transient = True


class BoardBusyError(BoardError):
    """Somebody else holds the board."""

    transient = True


class LoginError(BoardError):
    """The board refused user, password or key."""


class HostKeyError(BoardError):
    """The board's host key is unknown or has changed."""


class BenchmarkError(BoardError):
    """The run on the board failed."""

    exit_code = 1


class BoardsFailedError(BoardError):
    """Of several boards, some failed.

    Attributes:
        outcomes: of all boards, as a record.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str, remedy: str, outcomes: object) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.outcomes = outcomes


class GateError(OverlayflowError):
    """A gate between two steps failed."""
