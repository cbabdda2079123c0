"""The board kinds."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from board.kinds import BoardKind, board_kinds

KINDS = pytest.mark.parametrize("kind", board_kinds().values(), ids=list(board_kinds()))


@KINDS
def test_a_kind_without_hls4ml_says_why(kind: BoardKind) -> None:
    assert bool(kind.hls4ml_board) == (not kind.no_hls4ml)


@KINDS
def test_the_figures_of_a_part_are_consistent(kind: BoardKind) -> None:
    assert kind.resources.ff == 2 * kind.resources.lut
    carry4 = kind.resources.lut // 4 if kind.processing_system == "zynq7000" else 0
    assert kind.resources.carry4 == carry4


def test_kinds_that_hls4ml_has_carry_its_part_names() -> None:
    spec = find_spec("hls4ml")
    assert spec is not None
    assert spec.origin is not None
    boards = Path(spec.origin).parent / "backends/vivado_accelerator/supported_boards.json"
    parts = {name: board["part"] for name, board in json.loads(boards.read_text()).items()}
    ours = {kind.hls4ml_board: kind.part for kind in board_kinds().values() if kind.hls4ml_board}
    assert ours == parts
