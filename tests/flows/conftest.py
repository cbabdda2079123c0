"""One machine for all whole-way tests: a Prefect server, a twin, a store, one cold run."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.machine import BATCHES
from tasks.core import settings
from tasks.core.records.measurement import Run

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"
MODEL, DATA = DIGITS / "digits.keras", DIGITS / "digits.npz"
START_S = 300
BUSY_S = 180


class Patient(httpx.HTTPTransport):
    """Asks a server again whose SQLite was too busy to answer, as Prefect's own client does."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + BUSY_S
        while True:
            response = super().handle_request(request)
            busy = response.status_code == httpx.codes.SERVICE_UNAVAILABLE
            if not busy or time.monotonic() > deadline:
                return response
            response.close()
            time.sleep(1)


# No connection is kept: some of these servers are stopped and started again.
http = httpx.Client(
    transport=Patient(limits=httpx.Limits(max_keepalive_connections=0)), timeout=BUSY_S
)


@dataclass(frozen=True)
class Machine:
    """Where overlayflow runs in these tests.

    Attributes:
        home: of its store, twins and runs.
        api: of its Prefect server.
        env: of its commands.
    """

    home: Path
    api: str
    env: dict[str, str]

    def command(self, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `overlayflow` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "deployments.cli.main", *map(str, arguments)],
            cwd=ROOT,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start `overlayflow`, to be interrupted."""
        return subprocess.Popen(
            [sys.executable, "-m", "deployments.cli.main", *map(str, arguments)],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def task_states(self, run: Run) -> dict[str, str]:
        """State names of a flow run's tasks, as the server has them, by the task's step."""
        body = {"flow_runs": {"id": {"any_": [run.flow_run_id]}}}
        return {
            each["name"].split()[0]: each["state_name"]
            for each in self.query("task_runs/filter", body)
        }

    def query(self, path: str, body: dict[str, Any]) -> Any:
        """Ask the server's API."""
        answer = http.post(f"{self.api}/{path}", json=body)
        answer.raise_for_status()
        return answer.json()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A Prefect server on loopback, which may be stopped and started again.

    Attributes:
        api: its address, the same after a restart.
        env: of the server.
    """

    def __init__(self, env: dict[str, str]) -> None:
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.env = env
        self.api = f"http://127.0.0.1:{self._port}/api"

    def start(self) -> None:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
        self._process = subprocess.Popen(
            [*command, "--port", str(self._port)],
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_healthy(self.api)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    own = {
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    server = Server({**kept, **BATCHES, **own})
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def machine(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    home = tmp_path_factory.mktemp("machine") / "overlayflow"
    env = server.env | {
        "OVERLAYFLOW_HOME": str(home),
        "OVERLAYFLOW_BOARD_PYTHON": str(settings.board_python()),
        "COLUMNS": "200",
        "PREFECT_API_URL": server.api,
    }
    machine = Machine(home, server.api, env)
    try:
        started = machine.command("twin", "start")
        assert started.returncode == 0, started.stderr
        yield machine
    finally:
        machine.command("twin", "stop")


def wait_until_healthy(api: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{api}/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"no Prefect server at {api} within {START_S} s")


@pytest.fixture(scope="session")
def cold(machine: Machine) -> Run:
    """The digits example, from the model file to a verdict, with nothing in the store."""
    return finished(machine.command("run", MODEL, "--data", DATA, "--json"))


def finished(done: subprocess.CompletedProcess[str]) -> Run:
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # one JSON record, nothing else
    assert json.loads(line)
    return Run.model_validate_json(line)


@pytest.fixture(scope="module")
def team(
    machine: Machine, cold: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """What `overlayflow up` starts, with the store of the other tests: no tool has to run again."""
    assert cold.verdict.passed
    home = tmp_path_factory.mktemp("team")
    port = free_port()
    kept = {name: value for name, value in machine.env.items() if not name.startswith("PREFECT_")}
    env = kept | {"OVERLAYFLOW_HOME": str(home), "OVERLAYFLOW_STORE": str(machine.home / "store")}
    team = Machine(home, f"http://127.0.0.1:{port}/api", env)
    try:
        started = team.command("up", "--port", str(port), "--json")
        assert started.returncode == 0, started.stderr
        yield team
    finally:
        stopped = team.command("down", "--json")
        assert set(json.loads(stopped.stdout)["stopped"]) == {
            "worker-builders",
            "worker-boards",
            "server",
            "twin",
        }
