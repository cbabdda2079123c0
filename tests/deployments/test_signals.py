"""A command ends when it is asked to, even where the interrupt itself has blocked it."""

import signal
import subprocess
import sys

import pytest

from tests.flows.conftest import ROOT

BLOCKED = """
import threading
from deployments.cli import main

def deaf():
    while True:
        try:
            print("working", flush=True)
            threading.Event().wait()
        except BaseException:
            pass

main.STOP_S = 0.2
main.main = deaf
main.command()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_does_not_stop_is_ended(number: signal.Signals) -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", BLOCKED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    assert command.stdout.readline() == "working\n"
    command.send_signal(number)
    _, told = command.communicate(timeout=60)
    assert command.returncode == 2
    assert told == "overlayflow: did not stop within 0.2 s and was ended\n"
