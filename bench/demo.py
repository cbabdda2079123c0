"""Time the main job: cold, from the cache, with a temporary server and with a running one."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deployments.machine import BATCHES

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits"
OVERLAYFLOW = [sys.executable, "-m", "deployments.cli.main"]
RUN = ["run", str(DIGITS / "digits.keras"), "--data", str(DIGITS / "digits.npz"), "--json"]
SERVER_S = 120


def environment(home: Path) -> dict[str, str]:
    """Return an environment as on a machine where overlayflow and Prefect have never run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # set in containers; users' machines keep bytecode
    return kept | {
        "OVERLAYFLOW_HOME": str(home / "overlayflow"),
        "PREFECT_HOME": str(home / "prefect"),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def command(arguments: list[str], env: Mapping[str, str]) -> tuple[float, float, str]:
    """Run a command; return seconds, peak resident memory of its process in MB, and its output."""
    started = time.monotonic()
    # Not a pipe, which nobody would read meanwhile: the record of a long sweep would fill it.
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            [*OVERLAYFLOW, *arguments],
            cwd=ROOT,
            env=dict(env),
            stdout=output,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, peak_mb(process.pid))
            time.sleep(0.05)
        seconds = time.monotonic() - started
        output.seek(0)
        printed = output.read()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed with status {process.returncode}")
    return seconds, peak, printed


def peak_mb(pid: int) -> float:
    """Return the largest resident set of a process so far in MB; 0 if it has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1e3 if found else 0.0


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(env: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Run a Prefect server on loopback, and yield the environment that uses it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deployments.server_process", "prefect", "server", "start"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        env={**env, **BATCHES},
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
    raise SystemExit(f"the Prefect server at {url} did not answer within {SERVER_S} s")


def plain(env: Mapping[str, str]) -> float:
    """Time the eight steps as a plain script, with all but the board run in the store."""
    arguments = [str(DIGITS / "digits.keras"), str(DIGITS / "digits.npz")]
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "bench.plain", *arguments], cwd=ROOT, env=dict(env), check=True
    )
    return time.monotonic() - started
