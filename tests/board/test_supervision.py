"""Whatever ends a run on the board reaches the run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SET_UP = """
import os, signal, time
from board.supervision import Stopped, Supervision

def terminate():
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):
        pass
"""
IN_A_DESTRUCTOR = """
class Buffer:
    def __del__(self):
        terminate()

def run():
    Buffer()
    signal.pause()
"""
SWALLOWED = """
def run():
    try:
        terminate()
    except BaseException:  # as C code does
        pass
    time.sleep(60)
"""
WHILE_IT_CLEANS_UP = """
def run():
    try:
        terminate()
    finally:
        time.sleep(0.5)
        print("cleaned up", end=", ")
"""
WHILE_IT_FAILS = """
def run():
    try:
        raise RuntimeError
    except RuntimeError:
        terminate()
        time.sleep(0.5)
        print("cleaned up", end=", ")
    time.sleep(60)
"""
SUPERVISED = """
supervision = Supervision(None)
try:
    try:
        run()
    finally:
        supervision.finish()
except Stopped as stopped:
    print(stopped.error.what)
"""
MADE_ANOTHER = """
from board import runner

def run(*_):
    try:
        terminate()
    except BaseException:  # as numpy.fromfile does
        pass
    raise TypeError("expected str, bytes or os.PathLike object, not BufferedReader")

runner._run = run
print("exit status", runner.main())
"""


@pytest.mark.parametrize(
    ("run", "said"),
    [
        pytest.param(IN_A_DESTRUCTOR, "ended by SIGTERM", id="in a destructor"),
        pytest.param(SWALLOWED, "ended by SIGTERM", id="in code that ignores exceptions"),
        pytest.param(WHILE_IT_CLEANS_UP, "cleaned up, ended by SIGTERM", id="once"),
        pytest.param(WHILE_IT_FAILS, "cleaned up, ended by SIGTERM", id="after a clean-up"),
    ],
)
def test_a_stop_arrives(run: str, said: str) -> None:
    assert ended(run + SUPERVISED) == (0, said + "\n", "")


def test_a_stop_that_a_library_makes_another_exception_of_is_still_one(tmp_path: Path) -> None:
    status, events, errors = ended(MADE_ANOTHER, "--out", str(tmp_path / "out"), "--run-id", "test")
    assert (status, errors) == (0, "exit status 143\n")
    assert '"kind": "terminated"' in events


def ended(script: str, *arguments: str) -> tuple[int, str, str]:
    """Run a script to its end; return its exit status, stdout and stderr."""
    with subprocess.Popen(
        [sys.executable, "-c", SET_UP + script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        status = run.wait(timeout=60)  # before its controller is gone with the end of stdin
        assert run.stdout is not None
        assert run.stderr is not None
        return status, run.stdout.read(), run.stderr.read()
