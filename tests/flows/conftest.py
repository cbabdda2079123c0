"""One machine for all whole-way tests of all workers: a Prefect server, a twin, a store.

Tests on several workers use it at the same time: what a test stops, breaks or counts is its own.
"""

import base64
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW,
    temporary_settings,
)

from deployments.cli import main
from deployments.machine import BATCHES
from tasks.core import settings
from tasks.core.records.base import StepName
from tasks.core.records.measurement import Run
from tests.once import once, shared_directory
from tests.waiting import free_port

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"
MODEL, DATA = DIGITS / "digits.keras", DIGITS / "digits.npz"
START_S = 300
BUSY_S = 180
# A flow that an earlier test ran in this process has Prefect's handler set up, which warns of logs
# from outside a flow.
NO_FLOW: Any = {PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: "ignore"}


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


class Passwords(httpx.Auth):
    """Logs in at the servers whose password is known: USER:PASSWORD by port."""

    def __init__(self) -> None:
        self.known: dict[int | None, str] = {}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        if secret := self.known.get(request.url.port):
            encoded = base64.b64encode(secret.encode()).decode()
            request.headers["Authorization"] = f"Basic {encoded}"
        yield request


PASSWORDS = Passwords()
# No connection is kept: some of these servers are stopped and started again.
http = httpx.Client(
    auth=PASSWORDS,
    transport=Patient(limits=httpx.Limits(max_keepalive_connections=0)),
    timeout=BUSY_S,
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

    def ask(
        self, *arguments: str | Path, typed: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in this process, where Prefect is imported already: it must not run a flow.

        Args:
            arguments: of the command.
            typed: what it reads from stdin.
            env: variables beside the machine's.
        """
        command = [str(each) for each in arguments]
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            temporary_settings({PREFECT_API_URL: self.api, **NO_FLOW}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            for name, value in (self.env | env).items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.StringIO(typed))
            code = main.main(command)
        return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())

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
        command = [sys.executable, "-m", "deployments.server_process", "prefect"]
        self._process = subprocess.Popen(
            [*command, "server", "start", "--host", "127.0.0.1", "--port", str(self._port)],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it may outlive the worker that starts it
        )
        wait_until_healthy(self.api)

    @property
    def pid(self) -> int:
        """Number of its process."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine of all workers."""
    directory = shared_directory(tmp_path_factory) / "machine"
    server_env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        **BATCHES,
        "PREFECT_HOME": str(directory / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }

    def at(api: str) -> Machine:
        own = {
            "OVERLAYFLOW_HOME": str(directory / "overlayflow"),
            "OVERLAYFLOW_BOARD_PYTHON": str(settings.board_python()),
            "COLUMNS": "200",
            "PREFECT_API_URL": api,
        }
        return Machine(directory / "overlayflow", api, server_env | own)

    def start() -> str:
        server = Server(server_env)
        try:
            server.start()
            started = at(server.api).command("twin", "start")
            assert started.returncode == 0, started.stderr
        except BaseException:
            server.stop()
            raise
        return f"{server.pid} {server.api}"

    def stop(text: str) -> None:
        pid, api = text.split()
        at(api).command("twin", "stop")
        os.kill(int(pid), signal.SIGTERM)

    with once(directory, start, stop) as text:
        yield at(text.split()[1])


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
def cold(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The digits example, from the model file to a verdict; the first time nothing is stored."""

    def run() -> str:
        return finished(machine.command("run", MODEL, "--data", DATA, "--json")).model_dump_json()

    with once(shared_directory(tmp_path_factory) / "cold", run) as text:
        yield Run.model_validate_json(text)


SMALL_MODEL = """
import sys
import keras
import numpy as np
keras.utils.set_random_seed(5)
layers = [keras.layers.Input((16,)), keras.layers.Dense(3, activation="relu", name="hidden")]
model = keras.Sequential([*layers, keras.layers.Dense(4, name="scores")])
model.save("small.keras")
x = np.random.default_rng(5).uniform(-2, 2, (40, 16)).astype(np.float32)
np.savez("small.npz", X_test=x, y_test=model.predict(x, verbose=0).argmax(axis=1))
"""


@dataclass(frozen=True)
class Small:
    """A plain Keras model of 67 weights, and test data with class numbers."""

    model: Path
    data: Path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """The model for whatever does not depend on the size of a design."""
    directory = shared_directory(tmp_path_factory) / "small"

    def train() -> str:
        command = [sys.executable, "-c", SMALL_MODEL]
        subprocess.run(command, cwd=directory, check=True, capture_output=True)
        return str(directory)

    with once(directory, train) as text:
        yield Small(Path(text) / "small.keras", Path(text) / "small.npz")


def copy_entries(machine: Machine, store: Path, *steps: StepName) -> None:
    """Fill a store of a test's own with what the machine's has of these steps."""
    for step in steps:
        shutil.copytree(machine.home / "store" / step, store / step)


def finished(done: subprocess.CompletedProcess[str]) -> Run:
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # one JSON record, nothing else
    assert json.loads(line)
    return Run.model_validate_json(line)


def password(team: Machine) -> str:
    """What `overlayflow up` lets nobody else read, as USER:PASSWORD."""
    return (team.home / "server" / "password").read_text().strip()


@pytest.fixture(scope="module")
def tracked() -> bool:
    """Whether the team has an MLflow server; a module may say so."""
    return False


@pytest.fixture(scope="module")
def team(
    machine: Machine, cold: Run, tracked: bool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """What `overlayflow up` starts; the cold run is in its store, so no tool has to run again."""
    home = tmp_path_factory.mktemp("team")
    copy_entries(machine, home / "store", "convert", "synthesize", "implement", "package")
    (home / "store" / "runs").mkdir()
    for file in (machine.home / "store" / "runs").glob(f"*{cold.flow_run_id}*"):
        shutil.copy(file, home / "store" / "runs")
    port = free_port()
    kept = {name: value for name, value in machine.env.items() if not name.startswith("PREFECT_")}
    env = kept | {"OVERLAYFLOW_HOME": str(home), "OVERLAYFLOW_STORE": str(home / "store")}
    team = Machine(home, f"http://127.0.0.1:{port}/api", env)
    try:
        options = ["--mlflow"] if tracked else []
        started = team.command("up", "--port", str(port), "--json", *options)
        assert started.returncode == 0, started.stderr
        PASSWORDS.known[port] = password(team)
        yield team
    finally:
        stopped = team.command("down", "--json")
        assert set(json.loads(stopped.stdout)["stopped"]) - {"mlflow"} == {
            "worker-builders",
            "worker-boards",
            "server",
            "twin",
        }
