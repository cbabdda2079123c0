"""The server that docs/operate.md describes: Prefect with Debian's PostgreSQL and Redis."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.core.records.measurement import Run
from tests.flows.conftest import DATA, MODEL, ROOT, Machine, Server, finished
from tests.waiting import free_port, until

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
REDIS = shutil.which("redis-server")
EXAMPLE = ROOT / "deployments" / "systemd" / "server.env.example"
KEY = "b3ZlcmxheWZsb3ctdGVzdC1rZXktMzItYnl0ZXMtISE="
WAIT_S = 60

Command = list[str | Path]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not POSTGRES, reason="no PostgreSQL: apt-get install postgresql"),
    pytest.mark.skipif(REDIS is None, reason="no Redis: apt-get install redis-server"),
]


@contextmanager
def running(
    command: Command, *, env: dict[str, str] | None = None, user: str | None = None
) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=env, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(WAIT_S)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Address of an empty PostgreSQL database; its server refuses to run as root."""
    user = "postgres" if os.getuid() == 0 else None
    tools, port = POSTGRES[-1].parent, str(free_port())
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        if user is not None:
            os.chown(name, pwd.getpwnam(user).pw_uid, -1)
        initdb: Command = [
            tools / "initdb",
            "-D",
            data,
            "-U",
            "prefect",
            "--auth=trust",
            "--no-sync",
        ]
        subprocess.run(initdb, user=user, check=True, capture_output=True)
        server: Command = [
            tools / "postgres",
            "-D",
            data,
            "-k",
            name,
            "-h",
            "127.0.0.1",
            "-p",
            port,
        ]
        login: Command = ["-h", "127.0.0.1", "-p", port, "-U", "prefect"]
        with running(server, user=user):
            createdb: Command = [tools / "createdb", *login, "prefect"]
            until(lambda: not subprocess.run(createdb, check=False, capture_output=True).returncode)
            yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = str(free_port())
    where: Command = [
        "--dir",
        tmp_path_factory.mktemp("redis"),
        "--bind",
        "127.0.0.1",
        "--port",
        port,
    ]
    with running([str(REDIS), *where, "--save", ""]):
        yield port


def settings(home: Path, database: str, redis_port: str) -> dict[str, str]:
    """server.env.example, with what an operator has to fill in."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and line[0] != "#"]
    example = dict(line.split("=", 1) for line in lines)
    del example["PREFECT_SERVER_API_AUTH_STRING"], example["PREFECT_SERVER_UI_API_URL"]
    url = example["PREFECT_SERVER_DATABASE_CONNECTION_URL"].replace("127.0.0.1:5432", database)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return (
        kept
        | example
        | {
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": url,
            "PREFECT_SERVER_ENCRYPTION_KEY": KEY,
            "PREFECT_REDIS_MESSAGING_PORT": redis_port,
        }
    )


@pytest.fixture(scope="module")
def team_server(
    tmp_path_factory: pytest.TempPathFactory, database: str, redis_port: str
) -> Iterator[Server]:
    server = Server(settings(tmp_path_factory.mktemp("prefect"), database, redis_port))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def post(server: Server, path: str, body: dict[str, Any]) -> Any:
    answer = httpx.post(f"{server.api}/{path}", json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def slots(server: Server) -> int:
    """That are taken of the board's limit."""
    found = httpx.get(f"{server.api}/v2/concurrency_limits/board-twin").json()
    return int(found["active_slots"])


def test_a_team_s_server_takes_everything_a_run_and_a_lease_over_a_restart(
    team_server: Server, machine: Machine, cold: Run
) -> None:
    team = Machine(
        machine.home, team_server.api, {**machine.env, "PREFECT_API_URL": team_server.api}
    )
    applied = team.command("apply")
    assert applied.returncode == 0, applied.stderr
    assert "deploy-model" in applied.stdout
    post(team_server, "v2/concurrency_limits/", {"name": "board-twin", "limit": 1})

    run = finished(team.command("run", MODEL, "--data", DATA, "--json"))
    assert run.verdict.bit_exact == cold.verdict.bit_exact
    assert team.task_states(run)["benchmark"] == "Completed"
    assert slots(team_server) == 0  # the run has given back its place in the queue

    wanted = {"names": ["board-twin"], "slots": 1, "mode": "concurrency", "lease_duration": 300}
    lease = post(team_server, "v2/concurrency_limits/increment-with-lease", wanted)["lease_id"]
    team_server.stop()
    team_server.start()
    assert slots(team_server) == 1
    post(team_server, "v2/concurrency_limits/decrement-with-lease", {"lease_id": lease})
    assert slots(team_server) == 0
    assert "deploy-model" in {each["name"] for each in post(team_server, "deployments/filter", {})}
    body = {"flow_runs": {"id": {"any_": [run.flow_run_id]}}}
    assert [each["state_type"] for each in post(team_server, "flow_runs/filter", body)] == [
        "COMPLETED"
    ]
