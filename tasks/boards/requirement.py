"""Requirements by which boards are chosen."""

from typing import Self

from board.kinds import board_kinds
from tasks.boards.address import BoardAddress
from tasks.core.errors import InputError
from tasks.core.records.base import Record
from tasks.core.records.package import Manifest


class Requirement(Record):
    """A requirement for a board, such as `kind=pynq-z2,tag=lab`.

    Attributes:
        kind: an entry of board/kinds.toml; None for any.
        tags: tags that the board must all have.
    """

    kind: str | None = None
    tags: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse a requirement; return None if the text is a board's name.

        Raises:
            InputError: it is neither.
        """
        if "=" not in text:
            return None
        pairs = [part.strip().partition("=") for part in text.split(",")]
        kinds = [value for key, _, value in pairs if key == "kind"]
        tags = tuple(value for key, _, value in pairs if key == "tag")
        if len(kinds) + len(tags) < len(pairs) or len(kinds) > 1 or not all([*kinds, *tags]):
            raise InputError(
                f"{text!r} is neither a board's name nor a requirement",
                where="board",
                remedy="write a requirement as kind=pynq-z2,tag=lab",
            )
        return cls(kind=kinds[0] if kinds else None, tags=tags)

    def fits(self, address: BoardAddress) -> bool:
        """Return whether a board meets the requirement."""
        return self.kind in {None, address.kind} and set(self.tags) <= set(address.tags)


def takes(address: BoardAddress, manifest: Manifest) -> bool:
    """Return whether a board can run a package, as far as is known before trying."""
    part = board_kinds()[address.kind].part
    return part == manifest.part and (address.target is None or manifest.runs_on(address.target))
