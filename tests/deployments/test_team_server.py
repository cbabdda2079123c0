"""The server that docs/operate.md describes: Prefect with Debian's PostgreSQL and Redis."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.flows.conftest import ROOT, free_port, wait_until_healthy

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
REDIS = shutil.which("redis-server")
EXAMPLE = ROOT / "deployments" / "systemd" / "server.env.example"
KEY = "b3ZlcmxheWZsb3ctdGVzdC1rZXktMzItYnl0ZXMtISE="
WAIT_S = 60

Command = list[str | Path]

pytestmark = [
    pytest.mark.extended,
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
            deadline = time.monotonic() + WAIT_S
            createdb: Command = [tools / "createdb", *login, "prefect"]
            while subprocess.run(createdb, check=False, capture_output=True).returncode:
                assert time.monotonic() < deadline
                time.sleep(0.2)
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


def test_a_team_s_server_takes_everything_and_keeps_it_over_a_restart(
    tmp_path: Path, database: str, redis_port: str
) -> None:
    env = settings(tmp_path, database, redis_port)
    port = str(free_port())
    api = f"http://127.0.0.1:{port}/api"
    prefect = [sys.executable, "-m", "prefect"]
    server: Command = [*prefect, "server", "start", "--host", "127.0.0.1", "--port", port]
    with running(server, env=env):
        wait_until_healthy(api)
        applied = subprocess.run(
            [sys.executable, "-m", "deployments.cli.main", "apply"],
            cwd=ROOT,
            env=env | {"PREFECT_API_URL": api},
            capture_output=True,
            text=True,
            check=False,
        )
        assert applied.returncode == 0, applied.stderr
        assert "deploy-model" in applied.stdout
        event = {
            "event": "overlayflow.run.failed",
            "id": "0d9e8a52-7a55-4a49-9b0c-3c7f1b0d2a11",
            "occurred": "2026-01-02T03:04:05Z",
            "resource": {"prefect.resource.id": "overlayflow.flow.test"},
        }
        httpx.post(f"{api}/events", json=[event]).raise_for_status()
    with running(server, env=env):
        wait_until_healthy(api)
        found = httpx.post(f"{api}/deployments/filter", json={}).json()
        assert "deploy-model" in {each["name"] for each in found}
