"""Start, find and stop a team's server on one machine: Prefect server, workers and twin.

Everything listens on 127.0.0.1. What is running, and on which port, is recorded in
`<OVERLAYFLOW_HOME>/server`; runs, schedules and artifacts are kept in Prefect's database.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from board.twin.processes import tail
from deployments import daemons
from deployments.daemons import Daemon
from tasks.boards import twins
from tasks.core.errors import InputError, ToolError
from tasks.core.records.base import Record
from tasks.core.settings import home, mlflow_python

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
PORT = 4200
START_S = 180.0
POLL_S = 0.2
SERVER = "server"
MLFLOW = "mlflow"
MLFLOW_PORT = 5000
TWIN = "twin"
LEASES = "prefect.server.concurrency.lease_storage.filesystem"
HEARTBEAT_S = 30  # the shortest that Prefect accepts; automations.py relies on it
# By default, the server writes each change of a task run separately. SQLite allows only one writer,
# so the points of a sweep waited seconds for each other. Write 100 changes at a time instead.
BATCHES = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}


class ServerState(Record):
    """What `up` has set up, kept for the next `up` and for `down`.

    Attributes:
        port: port of the Prefect server.
        started_twin: whether `up` started the twin, so `down` must stop it.
        mlflow_port: port of the MLflow server; None if `up` never started one.
    """

    port: int
    started_twin: bool = False
    mlflow_port: int | None = None

    @property
    def address(self) -> str:
        """URL of the UI."""
        return f"http://{HOST}:{self.port}"


def pools() -> dict[str, int]:
    """Return the work pools, each with the number of runs this machine takes at a time."""
    # At least two: a sweep that distributes its points occupies one.
    return {"builders": max(2, os.cpu_count() or 1), "boards": 2}


def state_directory() -> Path:
    """Return the directory of daemon records and logs."""
    return home() / "server"


def running() -> ServerState | None:
    """Return the server's state, or None if the server is not running."""
    return _settled() if daemons.find(state_directory(), SERVER) else None


def environment(port: int) -> dict[str, str]:
    """Return the environment of the server, the workers and the commands that talk to them."""
    address = f"http://{HOST}:{port}"
    api, secret = f"{address}/api", password()
    return os.environ | {
        "PREFECT_HOME": os.environ.get("PREFECT_HOME", str(home() / "prefect")),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_UI_API_URL": api,
        # Loopback is no boundary: other users of the machine, and every web page, reach it.
        "PREFECT_SERVER_API_AUTH_STRING": secret,
        "PREFECT_API_AUTH_STRING": secret,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": address,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        # A file in the clone, where people work, must not shadow a module.
        "PYTHONSAFEPATH": "1",
        # On disk: leases in memory are lost with the server, and their slots stay taken forever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks",
        "OVERLAYFLOW_HOME": str(home()),
        **BATCHES,
        **({"MLFLOW_TRACKING_URI": tracker} if (tracker := mlflow_address()) else {}),
    }


def set_up_prefect() -> None:
    """Set Prefect up: no telemetry, our progress in run logs, the server of `overlayflow up`."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "tasks")
    # The server considers a run dead if its heartbeats stop: see deployments/automations.py.
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
    for name, value in BATCHES.items():  # for a temporary server started by Prefect
        os.environ.setdefault(name, value)
    settled = running()
    if settled is not None:
        ours = f"{settled.address}/api"
        if os.environ.setdefault("PREFECT_API_URL", ours) == ours:
            os.environ.setdefault("PREFECT_API_AUTH_STRING", password())
    if tracker := mlflow_address():
        os.environ.setdefault("MLFLOW_TRACKING_URI", tracker)


def mlflow_address() -> str:
    """Return the URL of the MLflow server that `up --mlflow` started; empty if none is running."""
    settled = _settled()
    if settled is None or daemons.find(state_directory(), MLFLOW) is None:
        return ""
    return f"http://{HOST}:{settled.mlflow_port}"


def start_mlflow(settled: ServerState) -> ServerState:
    """Start an MLflow server and wait until it answers, or find the running one.

    Raises:
        InputError: it is not installed, or workers run that do not know it.
        ToolError: the server exited or does not answer.
    """
    if mlflow_address():
        return settled
    python = mlflow_python()
    if not python.exists():
        raise InputError("MLflow is not installed", where=str(python), remedy="make mlflow-env")
    if any(daemons.find(state_directory(), _worker(pool)) for pool in pools()):
        raise InputError(
            "workers are running that would not log to MLflow",
            where="up --mlflow",
            remedy="run overlayflow down first",
        )
    port = free_port(settled.mlflow_port or MLFLOW_PORT)
    state = state_directory()
    command = [
        *(str(python), "-m", "mlflow", "server", "--host", HOST, "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{state / 'mlflow.db'}"),
        *("--artifacts-destination", str(state / "mlflow-artifacts"), "--workers", "1"),
    ]
    env = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        # Seven processes and 1.5 GB for jobs that evaluate language models.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    daemon = daemons.start(state, MLFLOW, command, env, state, umask=0o077)
    settled = settled.model_copy(update={"mlflow_port": port})
    write(settled)
    _wait(
        daemon,
        partial(_answers, port, "/health"),
        remedy="fix what its log reports, then run overlayflow up --mlflow again",
    )
    return settled


def password_file() -> Path:
    """Return the file with the server's password, as USER:PASSWORD; only its owner reads it."""
    return state_directory() / "password"


def password() -> str:
    """Return the server's password, as USER:PASSWORD; the first call makes it."""
    file = password_file()
    with contextlib.suppress(FileNotFoundError):
        return file.read_text().strip()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = f"overlayflow:{secrets.token_urlsafe(24)}"
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
        out.write(made + "\n")
    return made


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Make sure that only one `up` or `down` runs at a time."""
    state_directory().mkdir(parents=True, exist_ok=True, mode=0o700)
    with (state_directory() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start_server(port: int | None) -> ServerState:
    """Start the Prefect server and wait until it answers, or find the running one.

    Args:
        port: port to listen on; by default the previous one, then 4200, then any free one.

    Raises:
        ToolError: the server exited or does not answer.
    """
    daemon, settled = daemons.find(state_directory(), SERVER), _settled()
    if daemon is None or settled is None:
        known = settled or ServerState(port=PORT)
        settled = known.model_copy(update={"port": port or free_port(known.port)})
        command = [
            *(sys.executable, "-m", "deployments.server_process", "prefect", "server", "start"),
            *("--host", HOST, "--port", str(settled.port)),
        ]
        daemon = daemons.start(
            state_directory(),
            SERVER,
            command,
            environment(settled.port),
            state_directory(),
            umask=0o077,  # its database holds blocks, and the key to them
        )
        write(settled)
    _wait(
        daemon,
        partial(_answers, settled.port),
        remedy="run overlayflow down, then overlayflow up --port with a free port",
    )
    return settled


def start_workers(settled: ServerState) -> None:
    """Start a worker for each pool that has none, and wait until the server has heard from it.

    Raises:
        ToolError: a worker exited, or the server has not heard from it.
    """
    # Prefect's workers use a fixed name below TMPDIR; in /tmp it would belong to the first user.
    scratch = _scratch()
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    env = environment(settled.port) | {"TMPDIR": str(scratch)}
    began = datetime.now(UTC)
    started = {
        pool: daemons.start(
            state_directory(),
            _worker(pool),
            [
                *(sys.executable, "-m", "prefect", "worker", "start", "--type", "process"),
                *("--pool", pool, "--name", f"{socket.gethostname()}-{pool}"),
                *("--limit", str(limit)),
            ],
            env,
            ROOT,
        )
        for pool, limit in pools().items()
        if daemons.find(state_directory(), _worker(pool)) is None
    }
    for pool, daemon in started.items():
        _wait(
            daemon,
            partial(_heard_of, pool, began),
            remedy="fix what its log reports, then run overlayflow up again",
        )


def start_twin(settled: ServerState) -> ServerState:
    """Start the twin unless it is running."""
    if twins.twin_status(TWIN) is not None:
        return settled
    twins.start_twin(TWIN, "pynq-z2", 0)
    mine = settled.model_copy(update={"started_twin": True})
    write(mine)
    return mine


def stop_workers() -> list[str]:
    """Stop all workers, remove their temporary files, and return the names of those stopped."""
    names = [_worker(pool) for pool in pools()]
    stopped = [name for name in names if daemons.stop(state_directory(), name)]
    shutil.rmtree(_scratch(), ignore_errors=True)
    return stopped


def stop_server() -> list[str]:
    """Stop the servers, and the twin if `up` started it; return the names of those stopped."""
    stopped = [name for name in (SERVER, MLFLOW) if daemons.stop(state_directory(), name)]
    settled = _settled()
    if settled is not None and settled.started_twin:
        if twins.stop_twin(TWIN):
            stopped.append(TWIN)
        write(settled.model_copy(update={"started_twin": False}))
    return stopped


def write(settled: ServerState) -> None:
    """Save the server's state."""
    path = state_directory() / "settled.json"
    aside = path.with_suffix(".part")
    aside.write_text(settled.model_dump_json())
    aside.replace(path)


def _settled() -> ServerState | None:
    try:
        return ServerState.model_validate_json((state_directory() / "settled.json").read_text())
    except FileNotFoundError:
        return None


def free_port(wanted: int) -> int:
    """Return the wanted port of this machine, or a free one if it is in use or 0."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ToolError("no port is free", where=HOST, remedy="stop a program that uses one")


def _worker(pool: str) -> str:
    return f"worker-{pool}"


def _scratch() -> Path:
    """Return the directory for temporary files of workers and their runs."""
    return state_directory() / "tmp"


def _answers(port: int, health: str = "/api/health") -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{health}", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _heard_of(pool: str, since: datetime) -> bool:
    """Return whether a worker of the pool has sent the server a heartbeat."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        workers = client.read_workers_for_work_pool(pool)
    beats = [worker.last_heartbeat_time for worker in workers]
    return any(beat is not None and beat >= since for beat in beats)


def _wait(daemon: Daemon, ready: Callable[[], bool], remedy: str) -> None:
    """Wait until a daemon is ready.

    Raises:
        ToolError: it exited, or is not ready in time.
    """
    deadline = time.monotonic() + START_S
    while daemon.runs and time.monotonic() < deadline:
        if ready():
            return
        time.sleep(POLL_S)
    raise ToolError(
        f"{'is not ready' if daemon.runs else 'exited'}:\n{tail(daemon.log)}",
        where=daemon.name,
        remedy=remedy,
        log=daemon.log,
    )
