import os
import signal
import sys
from pathlib import Path

import pytest

from board.twin.processes import group_runs, tail
from deployments import daemons
from tests.waiting import until

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
# A child in the same group, and both deaf to SIGTERM.
STUBBORN_CODE = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
os.write(1, b"deaf\\n")
time.sleep(60)
"""
STUBBORN = [sys.executable, "-c", STUBBORN_CODE]


def test_a_daemon_is_started_once_found_and_stopped(tmp_path: Path) -> None:
    daemon = daemons.start(tmp_path, "sleeper", SLEEP, os.environ, tmp_path)
    try:
        assert daemons.start(tmp_path, "sleeper", SLEEP, os.environ, tmp_path) == daemon
        assert daemons.find(tmp_path, "sleeper") == daemon
    finally:
        assert daemons.stop(tmp_path, "sleeper")
    assert not daemon.runs
    assert daemons.find(tmp_path, "sleeper") is None
    assert not daemons.stop(tmp_path, "sleeper")


def test_another_process_with_its_id_is_not_taken_for_it(tmp_path: Path) -> None:
    mine = daemons.Daemon(name="old", pid=os.getpid(), started=1, log=tmp_path / "old.log")
    (tmp_path / "old.json").write_text(mine.model_dump_json())
    assert daemons.find(tmp_path, "old") is None
    assert not daemons.stop(tmp_path, "old")  # or this test would be gone


def test_what_ignores_the_signal_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "STOP_S", 0.5)
    daemon = daemons.start(tmp_path, "stubborn", STUBBORN, os.environ, tmp_path)
    until(lambda: tail(daemon.log) == "deaf\ndeaf")
    assert daemons.stop(tmp_path, "stubborn")
    assert not group_runs(daemon.pid)


def test_what_it_prints_is_in_its_log(tmp_path: Path) -> None:
    daemon = daemons.start(tmp_path, "sleeper", SLEEP, os.environ, tmp_path)
    until(lambda: "here" in tail(daemon.log))
    os.killpg(daemon.pid, signal.SIGKILL)
    assert tail(daemon.log) == "here"
