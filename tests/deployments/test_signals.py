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
LOGGING = """
import logging, os, signal, sys, time
from deployments.cli import main

class Handler(logging.Handler):
    def emit(self, record):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass
        print("logged", flush=True)

def log():
    logging.getLogger().addHandler(Handler())
    try:
        logging.error("an error")
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        return 2

main.main = log
sys.exit(main.command())
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


def test_a_command_whose_reader_is_gone_is_ended_too() -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", BLOCKED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.readline()
    command.stderr.close()
    command.send_signal(signal.SIGINT)
    assert command.wait(timeout=60) == 2


def test_what_is_being_logged_is_logged_before_an_interrupt() -> None:
    command = subprocess.run(
        [sys.executable, "-c", LOGGING],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert (command.returncode, command.stdout) == (2, "logged\ninterrupted\n")
