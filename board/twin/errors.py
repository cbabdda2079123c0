"""Errors of starting, reaching and stopping twins."""


class TwinError(Exception):
    """A twin cannot be started, reached or stopped.

    Attributes:
        what: what went wrong, in one sentence.
        remedy: what to do about it.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  -> {self.remedy}" if self.remedy else self.what


class TwinSilentError(TwinError):
    """A twin runs but does not answer, like a board that is booting."""
