"""A twin for one measurement: nobody else's board, and gone afterwards."""

import json
import os
import select
import subprocess
import sys
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


def test_a_private_twin_ends_with_its_owner_that_was_killed(
    tmp_path: Path, board_python: Path
) -> None:
    script = (
        "from tasks.boards.twins import private_twin\n"
        "import sys\n"
        "with private_twin('pynq-z2') as address:\n"
        "    print(address.port, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    home = {"OVERLAYFLOW_HOME": str(tmp_path), "OVERLAYFLOW_BOARD_PYTHON": str(board_python)}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert int(owner.stdout.readline())
        (record,) = tmp_path.glob("twin-*/private/record.json")
        twin = os.pidfd_open(json.loads(record.read_text())["pid"])
        owner.kill()
    ended, _, _ = select.select([twin], [], [], 30)
    os.close(twin)
    assert ended
