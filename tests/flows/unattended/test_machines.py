"""A sweep on two machines that share nothing but the Prefect server and a store on S3.

Their workers are started as a batch cluster starts them, by the scripts of deployments/slurm and
deployments/htcondor.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tests.flows.conftest import ROOT, Machine
from tests.flows.unattended.api import reported
from tests.waiting import free_port, listens, until

pytestmark = pytest.mark.slow

BUILDS = ("convert", "synthesize", "implement")
TINY = """
import sys
import keras
import numpy as np
keras.utils.set_random_seed(1)
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, name="only")])
model.save(sys.argv[1])
x = np.random.default_rng(1).random((20, 4), dtype=np.float32)
np.savez(sys.argv[2], X_test=x, y_test=model.predict(x, verbose=0).argmax(axis=1))
"""
SWEEP = """
name: machines
base: {model: tiny.keras, data: tiny.npz, precision: 'fixed<8,3,RND,SAT>', clock_period_ns: 20}
limits: {mode: warn}
measurement: {passes: 1, batches: [1, 4]}
points:
- {words: float32}
- {words: packed}
- {words: packed, board: third}
"""
POINTS, DESIGNS = 3, 2


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of a plain Keras model of ten weights: two designs, one of them on two boards."""
    directory = tmp_path_factory.mktemp("tiny")
    paths = [str(directory / "tiny.keras"), str(directory / "tiny.npz")]
    subprocess.run([sys.executable, "-c", TINY, *paths], check=True, capture_output=True)
    file = directory / "machines.yaml"
    file.write_text(SWEEP)
    return file


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


def worker(machine: Machine, home: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """A separate machine, which shares no directory with another but that of the twins."""
    (home / "overlayflow").mkdir(parents=True)
    (home / "overlayflow" / "twins").symlink_to(machine.home / "twins")
    scripts: dict[str, list[str | Path]] = {
        "slurm": [ROOT / "deployments/slurm/worker.sbatch"],
        "condor": [ROOT / "deployments/htcondor/worker.sh", ROOT, "hls", "condor-1"],
    }
    own = {
        "OVERLAYFLOW_HOME": str(home / "overlayflow"),
        "OVERLAYFLOW_CLONE": str(ROOT),
        "SLURM_JOB_ID": "1",
        "_CONDOR_SCRATCH_DIR": str(home),
        "PREFECT_WORKER_QUERY_SECONDS": "2",
    }
    return subprocess.Popen(
        ["bash", *scripts[home.name]],
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


def worked_on_by(machine: Machine, home: Path) -> list[dict[str, str]]:
    """Runs that a machine works on."""
    environments = []
    for number in processes_of(home):
        with contextlib.suppress(OSError):
            environments.append(Path(f"/proc/{number}/environ").read_bytes())
    return [
        each
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


def kept() -> Counter[str]:
    """Objects of the store, by the directory they are in."""
    files, _ = fsspec.url_to_fs("s3://bucket")
    files.invalidate_cache()
    return Counter(path.split("/")[2] for path in files.find("bucket/store"))


@contextlib.contextmanager
def sweeping(machine: Machine, file: Path, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "deployments.cli.main", "sweep", str(file), "--json"]
    with out.open("w") as output:
        process = subprocess.Popen(
            [*command, "--deployment", "sweep-point/sweep-point"],
            env=machine.env,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_two_machines_finish_a_sweep_although_one_goes_down(
    machine: Machine, tiny: Path, tmp_path: Path, s3: dict[str, str]
) -> None:
    assert machine.command("apply").returncode == 0
    assert machine.command("twin", "start", "third").returncode == 0
    one, other = homes = [tmp_path / "slurm", tmp_path / "condor"]
    sweep = Machine(machine.home, machine.api, {**machine.env, **s3})
    workers = [worker(machine, home, s3) for home in homes]
    try:
        with sweeping(sweep, tiny, tmp_path / "out") as running:
            # In the middle: it has steps done and one half done, and the other works, too.
            cache = one / "overlayflow" / "cache"
            half_done = "tmp/implement-*"
            until(lambda: list(cache.rglob(half_done)) and worked_on_by(machine, other), 600)
            (lost,) = worked_on_by(machine, one)
            switch_off(one)
            # What crash-zombie-runs does when 100 s have passed without a heartbeat.
            crashed = {"state": {"type": "CRASHED", "message": "no heartbeat"}, "force": True}
            machine.query(f"flow_runs/{lost['id']}/set_state", crashed)
            running.wait(900)
            done = subprocess.CompletedProcess(
                (), running.returncode, (tmp_path / "out").read_text(), ""
            )
    finally:
        for home, process in zip(homes, workers, strict=True):
            switch_off(home)
            process.wait()
        machine.command("twin", "stop", "third")

    report = reported(done)
    assert [each.state for each in report.results] == ["done"] * POINTS
    words, packed, _ = (each.figures for each in report.results)
    assert words is not None
    assert packed is not None
    assert words.bit_exact == packed.bit_exact == 1
    assert words.clock_mhz == packed.clock_mhz == 50
    # Four words a sample, or one.
    assert 3 < packed.inferences_per_s / words.inferences_per_s < 4.1
    completed = runs(machine, "COMPLETED")
    assert len(completed) == POINTS
    assert [each["id"] for each in runs(machine, "CRASHED")] == [lost["id"]]
    # What the lost machine had finished is not done again, nor what points share.
    (again,) = [each["id"] for each in completed if each["name"] == lost["name"]]
    assert set(builds(machine, [again])).isdisjoint({"convert", "synthesize"})
    built = builds(machine, [lost["id"], *(each["id"] for each in completed)])
    assert all(built[step] <= DESIGNS for step in BUILDS), built
    found = kept()
    assert {step: found[step] for step in BUILDS} == dict.fromkeys(BUILDS, DESIGNS)
    assert (found["points"], found["inputs"], found["claims"]) == (POINTS, 2, 0)
    files, _ = fsspec.url_to_fs("s3://bucket")
    assert not [path for path in files.find("bucket/store") if path.endswith(".part")]
