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
INTERRUPTED = """
import os, signal, sys, time
from deployments.cli import main

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass

def run():
    try:
        begin()
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        return 2

main.main = run
sys.exit(main.command())
"""
LOGGING = """
import logging

def begin():
    logging.getLogger().addHandler(Handler())
    logging.error("an error")

class Handler(logging.Handler):
    def emit(self, record):
        interrupt()
        print("logged", flush=True)
"""
IN_A_DESTRUCTOR = """
def begin():
    Archive()

class Archive:
    def __del__(self):
        interrupt()
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


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        pytest.param(LOGGING, "logged\ninterrupted\n", id="after what is being logged"),
        pytest.param(IN_A_DESTRUCTOR, "interrupted\n", id="in a destructor"),
    ],
)
def test_an_interrupt_arrives(begin: str, said: str) -> None:
    command = subprocess.run(
        [sys.executable, "-c", begin + INTERRUPTED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (command.returncode, command.stdout) == (2, said)
    assert "Traceback" not in command.stderr
