"""Whatever ends a run on the board reaches the run."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STOPPED_IN_A_DESTRUCTOR = """
import os, signal
from board.supervision import Stopped, Supervision

class Buffer:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass

supervision = Supervision(None)
try:
    Buffer()
    signal.pause()
except Stopped as stopped:
    print(stopped.error.what)
"""


def test_a_stop_that_falls_into_a_destructor_is_not_lost() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED_IN_A_DESTRUCTOR],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.wait(timeout=60) == 0  # before its controller is gone with the end of stdin
        assert run.stdout is not None
        assert run.stdout.read() == "ended by SIGTERM\n"
        assert run.stderr is not None
        assert run.stderr.read() == ""
