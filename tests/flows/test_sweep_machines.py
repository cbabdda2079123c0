"""A sweep on two machines that share nothing but the Prefect server and a store on S3."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from tests.flows.conftest import ROOT, Machine, free_port
from tests.flows.test_sweep import reported, tiny

__all__ = ["tiny"]  # a fixture

pytestmark = [pytest.mark.slow, pytest.mark.extended]

POOL = "machines"
POINTS = 3
SWEEP = """
name: machines
base: {model: tiny.keras, data: tiny.npz, precision: 'fixed<8,3>'}
limits: {mode: warn}
measurement: {passes: 1, batches: [1, 4]}
points:
- {words: float32}
- {words: packed}
- {words: packed, clock_period_ns: 20}
"""
DEPLOYMENT = """
name: machines
pull:
- prefect.deployments.steps.set_working_directory: {directory: %s}
deployments:
- name: elsewhere
  entrypoint: flows/sweep.py:sweep_point
  work_pool: {name: machines}
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """The environment of a store on an S3 server."""
    port = free_port()
    env = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "OVERLAYFLOW_STORE": "s3://bucket/store",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        until(lambda: listens(port))
        fsspec.url_to_fs("s3://bucket")[0].mkdir("bucket")
        yield env
    server.terminate()
    server.wait()


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def worker(machine: Machine, home: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """A machine of its own: nothing of another's directories but the way to the twin."""
    (home / "overlayflow").mkdir(parents=True)
    (home / "overlayflow" / "twins").symlink_to(machine.home / "twins")
    own = {
        "OVERLAYFLOW_HOME": str(home / "overlayflow"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks",
    }
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "prefect", "worker", "start", "--type", "process"),
            *("--pool", POOL, "--limit", "1", "--name", home.name),
        ],
        env={**machine.env, **env, **own},
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def processes_of(home: Path) -> list[int]:
    """Every process whose environment names this home: the worker, its flows, their tools."""
    wanted = f"OVERLAYFLOW_HOME={home / 'overlayflow'}".encode()
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (directory / "environ").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return found


def switch_off(home: Path) -> None:
    """As a machine that loses its power: nobody has time for a last word."""
    while found := processes_of(home):
        for number in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.1)


def runs(machine: Machine, state: str) -> list[dict[str, str]]:
    wanted = {"tags": {"all_": ["sweep:machines"]}, "state": {"type": {"any_": [state]}}}
    body = {"flow_runs": wanted}
    found: list[dict[str, str]] = machine.query("flow_runs/filter", body)
    return [each for each in found if each["deployment_id"]]


def until(condition: Callable[[], object], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.5)
    pytest.fail("it did not come to that")


def worked_on_by(machine: Machine, home: Path) -> list[str]:
    """Ids of the runs that a machine works on."""
    environments = []
    for number in processes_of(home):
        with contextlib.suppress(OSError):
            environments.append(Path(f"/proc/{number}/environ").read_bytes())
    return [
        each["id"]
        for each in runs(machine, "RUNNING")
        if any(f"PREFECT__FLOW_RUN_ID={each['id']}".encode() in text for text in environments)
    ]


def builds(machine: Machine, ids: list[str]) -> Counter[str]:
    """How often each step's tools came to their end in these runs."""
    body = {"logs": {"flow_run_id": {"any_": ids}}, "limit": 200}
    messages: list[str] = []
    while found := machine.query("logs/filter", {**body, "offset": len(messages)}):
        messages += [each["message"] for each in found]
    return Counter(text.partition(":")[0] for text in messages if " took " in text)


def test_two_machines_finish_a_sweep_although_one_goes_down(
    machine: Machine, tiny: Path, tmp_path: Path, s3: dict[str, str]
) -> None:
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    spec = tmp_path / "prefect.yaml"
    spec.write_text(DEPLOYMENT % json.dumps(str(ROOT)))
    for arguments in (
        ["work-pool", "create", POOL, "--type", "process"],
        ["deploy", "--all", "--prefect-file", str(spec)],
    ):
        subprocess.run(
            [*prefect, *arguments], env=machine.env, cwd=ROOT, check=True, capture_output=True
        )
    file = tiny / "machines.yaml"
    file.write_text(SWEEP)
    homes = [tmp_path / "one", tmp_path / "other"]
    workers = [worker(machine, home, s3) for home in homes]
    sweep = Machine(machine.home, machine.api, {**machine.env, **s3})
    output = tmp_path / "sweep.out"
    with output.open("w") as out:
        running = subprocess.Popen(
            [
                *(sys.executable, "-m", "deployments.cli.main", "sweep", str(file), "--json"),
                *("--deployment", "sweep-point/elsewhere"),
            ],
            env=sweep.env,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.DEVNULL,
        )
    try:
        # In the middle: the first machine has a point half built, and the other works, too.
        until(lambda: worked_on_by(machine, homes[0]) and worked_on_by(machine, homes[1]))
        (lost,) = worked_on_by(machine, homes[0])
        switch_off(homes[0])
        # What the automation crash-zombie-runs does when 100 s have passed without a heartbeat.
        crashed = {"state": {"type": "CRASHED", "message": "no heartbeat"}, "force": True}
        machine.query(f"flow_runs/{lost}/set_state", crashed)
        running.wait(900)
        report = reported(
            subprocess.CompletedProcess((), running.returncode, output.read_text(), "")
        )
    finally:
        running.kill()
        for home, process in zip(homes, workers, strict=True):
            switch_off(home)
            process.wait()

    assert [each.state for each in report.results] == ["done"] * POINTS
    completed = runs(machine, "COMPLETED")
    assert len(completed) == POINTS
    assert [each["id"] for each in runs(machine, "CRASHED")] == [lost]
    built = builds(machine, [lost, *(each["id"] for each in completed)])
    assert all(built[step] <= POINTS for step in ("convert", "synthesize", "implement")), built
    files, _ = fsspec.url_to_fs("s3://bucket")
    kept = Counter(path.split("/")[2] for path in files.find("bucket/store"))
    assert {kept[step] for step in ("convert", "synthesize", "implement", "package")} == {POINTS}
    assert (kept["points"], kept["inputs"]) == (POINTS, 2)
    assert not [path for path in files.find("bucket/store") if path.endswith(".part")]
