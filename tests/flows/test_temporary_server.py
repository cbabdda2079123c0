"""The server of one command ends with the command, however that ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.core.records.measurement import Run
from tasks.reporting import history
from tests.flows.conftest import DATA, MODEL, ROOT, Machine, copy_entries
from tests.waiting import PATIENCE_S, listens, until

pytestmark = pytest.mark.slow


def server_of(home: Path) -> tuple[int, int]:
    """Process and port of the server that keeps its database in this directory."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes().split(b"\0")
            is_server = b"uvicorn" in arguments[:5]  # its guard has its arguments, too
            if is_server and f"PREFECT_HOME={home}".encode() in environment:
                return int(process.name), int(arguments[arguments.index(b"--port") + 1])
    raise AssertionError(f"no server of {home}")


def started(machine: Machine, home: Path) -> subprocess.Popen[str]:
    """Start a run of its own Prefect server, with nothing in the store, and wait for the run."""
    command = running(machine, home)
    assert command.stdout is not None
    next(line for line in command.stdout if "Beginning flow run" in line)
    return command


def running(machine: Machine, home: Path) -> subprocess.Popen[str]:
    """Start a run of its own Prefect server."""
    env = {name: value for name, value in machine.env.items() if name != "PREFECT_API_URL"}
    return subprocess.Popen(
        [sys.executable, "-m", "deployments.cli.main", "run", MODEL, "--data", DATA],
        cwd=ROOT,
        env=env | {"PREFECT_HOME": str(home), "OVERLAYFLOW_STORE": str(home / "store")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_server_ends_with_its_command(
    machine: Machine, tmp_path: Path, number: signal.Signals
) -> None:
    command = started(machine, tmp_path)
    _, port = server_of(tmp_path)
    assert listens(port)
    os.killpg(command.pid, number)  # as a terminal does
    assert command.stdout is not None
    told = command.stdout.read()
    assert command.wait() == (-number if number == signal.SIGKILL else 2), told
    assert "127.0.0.1" not in told, "a page of a server that is gone"
    assert number == signal.SIGKILL or "overlayflow: interrupted; finished steps are kept" in told
    until(lambda: not listens(port))
    assert (tmp_path / "prefect.db").stat().st_mode & 0o077 == 0


def told_when_the_server_is_killed(command: subprocess.Popen[str], home: Path) -> str:
    server, _ = server_of(home)
    os.kill(server, signal.SIGKILL)
    code = command.wait(PATIENCE_S)
    assert command.stdout is not None
    told = command.stdout.read()
    assert code == 2, told
    return told


def test_a_server_that_is_killed_ends_its_command_with_one_message(
    machine: Machine, tmp_path: Path
) -> None:
    command = started(machine, tmp_path)
    told = told_when_the_server_is_killed(command, tmp_path)
    assert told.count("the temporary Prefect server was ended from outside") == 1
    assert "Traceback" not in told
    assert "Crash detected" not in told


def test_what_was_measured_when_the_server_is_killed_has_a_verdict(
    machine: Machine, cold: Run, tmp_path: Path
) -> None:
    copy_entries(machine, tmp_path / "store", "convert", "synthesize", "implement", "package")
    command = running(machine, tmp_path)
    while not list(tmp_path.glob("store/benchmark/*/entry.json")):
        assert command.poll() is None
        time.sleep(0.02)
    told = told_when_the_server_is_killed(command, tmp_path)
    (run,) = history.runs(str(tmp_path / "store"))
    assert run.verdict.passed
    assert run.verdict.bit_exact == cold.verdict.bit_exact == run.verdict.samples
    assert "overlayflow history" in told
