"""Board kinds in the words of the records."""

from board.kinds import board_kinds
from tasks.records import Resources


def part_resources(board_kind: str) -> Resources:
    """What the part of a board kind has."""
    return Resources.model_validate(board_kinds()[board_kind].resources, from_attributes=True)
