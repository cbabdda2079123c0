"""A twin for one measurement: nobody else's board, and gone afterwards."""

from pathlib import Path

import pytest

from tasks.boards.ssh import connect
from tasks.boards.twins import private_twin, twin_names


def test_a_private_twin_is_nobody_elses_board_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board_python: Path
) -> None:
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OVERLAYFLOW_BOARD_PYTHON", str(board_python))
    with private_twin("pynq-z2") as address:
        with connect(address) as connection:
            assert connection.execute(["id", "-u"]).status == 0
        assert address.target == "twin"
        assert not twin_names()
    assert not list((tmp_path / "home").iterdir())
