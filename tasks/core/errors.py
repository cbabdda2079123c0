"""The one error tree: what went wrong, where, and what to do about it.

OverlayflowError               exit code 1
  InputError                   exit code 2: wrong input or set-up; the same input fails again
    UnsupportedModelError      a model or layer that a step does not support
    DoesNotFitError            the design needs more than the part has
    ToolMissingError           a tool is not installed, or has the wrong version
  ToolError                    an external tool failed: exit status, first cause, log
    ToolTimeoutError           it was stopped at its deadline
    DiskFullError              exit code 2: it ran out of disk space
    CoreMismatchError          a core does not compute what the C simulation computes
    BuildError                 a vendor tool failed, with a diagnosis and a failure bundle
  StoreError                   exit code 2: the store cannot be read or written (disk full, rights)
  ServerError                  exit code 2: the Prefect server cannot be reached (transient)
  BoardError                   exit code 2: a board could not be used
    BoardUnreachableError      off, no route, connection lost (transient)
    BoardBusyError             leased to somebody else (transient)
    LoginError                 user, password or key refused
    HostKeyError               unknown or changed host key
    BenchmarkError             exit code 1: the run on the board failed (DMA time-out, wrong clock)
    BoardsFailedError          exit code 1: some of several boards failed
  GateError                    exit code 1: a gate between two steps failed
  InterruptionError            exit code 2: a person or the system ended the command
"""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, Literal

# permanent: the same input fails again. configuration: this machine needs a change. transient: the
# next try may succeed. resource: it needs more memory or disk, or fewer parallel jobs.
FailureClass = Literal["permanent", "configuration", "transient", "resource"]


class OverlayflowError(Exception):
    """An error that a person can act on.

    Attributes:
        what: what went wrong, in one sentence.
        where: the file, layer, tool or board at fault.
        remedy: what to do about it.
        transient: whether the same call may succeed later, so a retry makes sense.
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
        # Prefect pickles exceptions; keyword-only arguments must be restored from __dict__.
        return (_rebuild, (type(self), self.__dict__))


def near(given: str, known: Iterable[str]) -> str:
    """Return a question for the end of a message: what somebody may have meant, if anything."""
    found = difflib.get_close_matches(given, list(known), n=1)
    return f": did you mean {found[0]!r}?" if found else ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, then the exception that caused it, and so on, as a traceback shows them."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _rebuild(cls: type[OverlayflowError], state: dict[str, object]) -> OverlayflowError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["what"])
    error.__dict__.update(state)
    return error


class InputError(OverlayflowError):
    """The user's input is invalid; nothing was written."""

    exit_code = 2


class UnsupportedModelError(InputError):
    """A step does not support the model or one of its layers."""


class DoesNotFitError(InputError):
    """The design needs more resources than the part has."""


class ToolMissingError(InputError):
    """A tool is not installed, or its version is not supported."""


class ToolError(OverlayflowError):
    """An external tool failed.

    Attributes:
        returncode: the exit status, or minus the signal number (as in subprocess).
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
    """A tool was stopped because it exceeded its deadline."""


class DiskFullError(ToolError):
    """A tool ran out of disk space."""

    exit_code = 2


class CoreMismatchError(ToolError):
    """A core's RTL does not compute what the C simulation computes, or does not answer."""


class BuildError(ToolError):
    """A vendor tool failed.

    Attributes:
        tool: the tool's name.
        version: the tool's version.
        failure_class: the kind of failure; decides whether the tool is tried again.
        signature: id of the known failure that was recognised; empty if none was.
        tries: how many times the tool was run.
        bundle: an archive of logs, reports and settings for the investigation.
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
        return f"{tried}\n  failure bundle: {self.bundle}" if self.bundle else tried


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
    """The board is leased to somebody else."""

    transient = True


class LoginError(BoardError):
    """The board refused the user, password or key."""


class HostKeyError(BoardError):
    """The board's host key is unknown or has changed."""


class BenchmarkError(BoardError):
    """The run on the board failed."""

    exit_code = 1


class BoardsFailedError(BoardError):
    """Some of several boards failed.

    Attributes:
        outcomes: a record of what happened on each board, failed or not.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str, remedy: str, outcomes: object) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.outcomes = outcomes


class GateError(OverlayflowError):
    """A gate between two steps failed.

    Attributes:
        run: the record of a run that was measured and published before; None if none was.
    """

    run: object | None = None


class InterruptionError(OverlayflowError):
    """A person or the system ended the command, which says nothing about the model."""

    exit_code = 2
