"""The main job: cold, from the cache, with a server of its own and with a running one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits"
OVERLAYFLOW = [sys.executable, "-m", "deployments.cli.main"]
RUN = ["run", str(DIGITS / "digits.keras"), "--data", str(DIGITS / "digits.npz"), "--json"]
SERVER_S = 120


def environment(home: Path) -> dict[str, str]:
    """A machine where overlayflow and Prefect have never run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | {
        "OVERLAYFLOW_HOME": str(home / "overlayflow"),
        "PREFECT_HOME": str(home / "prefect"),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def command(arguments: list[str], env: Mapping[str, str]) -> tuple[float, float, str]:
    """Run a command: seconds, peak resident memory of its own process in MB, its output."""
    started = time.monotonic()
    with subprocess.Popen(
        [*OVERLAYFLOW, *arguments],
        cwd=ROOT,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        peak = 0
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                peak = max(peak, watched.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
        output = process.stdout.read() if process.stdout else ""
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed with {process.returncode}")
    return time.monotonic() - started, peak / 1e6, output


@contextmanager
def server(env: Mapping[str, str], port: int) -> Iterator[dict[str, str]]:
    """A Prefect server on loopback, and the environment that uses it."""
    url = f"http://127.0.0.1:{port}/api"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "prefect", "server", "start"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        env=dict(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_healthy(url)
        yield {**env, "PREFECT_API_URL": url}
    finally:
        process.terminate()
        process.wait()


def _wait_until_healthy(url: str) -> None:
    import httpx

    deadline = time.monotonic() + SERVER_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit(f"no Prefect server at {url} within {SERVER_S} s")


def package_of(output: str) -> dict[str, str]:
    """The store entry of the package that a run measured."""
    run = json.loads(output)
    entry: dict[str, str] = run["verdict"]["measurement"]["deployment"]["package"]["entry"]
    return entry
