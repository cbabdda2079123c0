"""Sweeps by the real command line, server, compilers and twin, of a model that builds quickly."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.sweeps.results import SweepReport
from tests.flows.conftest import DATA, MODEL, Machine, free_port, wait_until_healthy

pytestmark = [pytest.mark.slow, pytest.mark.extended]

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
name: tiny
base: {model: tiny.keras, data: tiny.npz, precision: 'fixed<8,3>', board: %s}
limits: {mode: warn}
measurement: {passes: 1, batches: [1, 4]}
points:
  - words: float32
  - words: packed
  - layer_precision.nowhere: auto
"""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a model of ten weights and its data."""
    directory = tmp_path_factory.mktemp("tiny")
    subprocess.run(
        [sys.executable, "-c", TINY, directory / "tiny.keras", directory / "tiny.npz"],
        check=True,
        capture_output=True,
    )
    return directory


def sweep_file(directory: Path, board: str = "twin", text: str = SWEEP) -> Path:
    path = directory / f"sweep-{board}.yaml"
    path.write_text(text % board)
    return path


def reported(done: subprocess.CompletedProcess[str], code: int = 0) -> SweepReport:
    assert done.returncode == code, done.stderr
    (line,) = done.stdout.splitlines()
    return SweepReport.model_validate_json(line)


@pytest.fixture(scope="session")
def first(machine: Machine, tiny: Path) -> SweepReport:
    """A sweep with nothing in the store, one point of which cannot be built."""
    return reported(machine.command("sweep", sweep_file(tiny), "--json"), code=1)


def test_a_failed_point_does_not_stop_the_others(first: SweepReport) -> None:
    assert [each.state for each in first.results] == ["done", "done", "failed"]
    assert "the model has no layer 'nowhere'" in first.results[2].message
    for each in first.results[:2]:
        assert each.figures is not None
        assert each.figures.bit_exact == 1
        assert each.figures.lut is not None
        assert each.estimate is not None


def test_each_point_has_a_page_named_by_what_differs(machine: Machine, first: SweepReport) -> None:
    ids = [each.flow_run_id for each in first.results[:2]]
    runs = machine.query("flow_runs/filter", {"flow_runs": {"id": {"any_": ids}}})
    assert {run["name"] for run in runs} == {"words=float32", "words=packed"}
    for run in runs:
        assert "sweep:tiny" in run["tags"]
        assert run["parent_task_run_id"] is not None
        assert run["state"]["type"] == "COMPLETED"


def test_the_sweep_leaves_a_table_a_report_and_files(machine: Machine, first: SweepReport) -> None:
    body = {"artifacts": {"flow_run_id": {"any_": [first.flow_run_id]}}}
    found = {each["key"]: each for each in machine.query("artifacts/filter", body)}
    assert set(found) >= {"sweep-tiny-points", "sweep-tiny-report"}
    assert len(json.loads(found["sweep-tiny-points"]["data"])) == 3
    assert "](data:image/png;base64," in found["sweep-tiny-report"]["data"]
    assert {path.name for path in Path(first.directory).iterdir()} == {
        "report.md", "points.csv", "pareto.png", "sweep.json",
    }  # fmt: skip


def test_a_second_sweep_starts_only_what_failed(
    machine: Machine, tiny: Path, first: SweepReport
) -> None:
    again = reported(machine.command("sweep", sweep_file(tiny), "--json"), code=1)
    assert [each.state for each in again.results] == ["stored", "stored", "failed"]
    assert [each.figures for each in again.results] == [each.figures for each in first.results]
    assert [each.flow_run_id for each in again.results[:2]] == [
        each.flow_run_id for each in first.results[:2]
    ]
    body = {"flow_runs": {"tags": {"all_": ["sweep:tiny"]}}}
    assert len(machine.query("flow_runs/filter", body)) == 4  # three points, and the failed again


def refused(machine: Machine, *arguments: str | Path, **env: str) -> str:
    done = machine.command("sweep", *arguments, **env)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr[done.stderr.index("overlayflow: ") :]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("axes: {wrods: [packed]}", "line 3, axes.wrods: unknown setting 'wrods'"),
        ("axes: {words: []}", "the grid is empty"),
        ("axes: {reuse_factor: %s, clock_period_ns: %s}", "the sweep has 10000 points"),
        ("axes: {board: [twin, nowhere]}", "no board of that name"),
        ("axes: {board_kind: [pynq-z2, zcu102]}", "is for a zcu102, board twin is a pynq-z2"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    machine: Machine, tmp_path: Path, text: str, told: str
) -> None:
    numbers = str(list(range(1, 101)))
    path = tmp_path / "sweep.yaml"
    path.write_text(
        f"name: bad\nbase: {{model: {MODEL}, data: {DATA}}}\n{text.replace('%s', numbers)}\n"
    )
    assert told in refused(machine, path)


def test_a_server_that_is_down_is_said_at_once(machine: Machine, tiny: Path) -> None:
    told = refused(machine, sweep_file(tiny), PREFECT_API_URL="http://127.0.0.1:9/api")
    assert "the Prefect server does not answer" in told
    assert "ask again" in told


def test_a_full_disk_ends_the_sweep_and_it_goes_on_when_there_is_room(
    machine: Machine, tiny: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("mounting a file system needs root")
    try:
        env = {"OVERLAYFLOW_STORE": str(disk / "store")}
        path = sweep_file(tiny)
        told = refused(machine, path, **env)
        assert "No space left on device" in told or "is full" in told
        assert "overlayflow store prune" in told
        subprocess.run(["mount", "-o", "remount,size=500m", disk], check=True)
        again = reported(machine.command("sweep", path, "--json", **env), code=1)
        assert [each.state for each in again.results] == ["done", "done", "failed"]
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@contextlib.contextmanager
def own_server(home: Path, port: int) -> Iterator[None]:
    """A Prefect server with a database of its own, which stays."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "prefect", "server", "start"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        env={**kept, "PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/api")
        yield
    finally:
        server.terminate()
        server.wait()


def test_a_server_that_goes_away_ends_the_sweep_and_it_goes_on_with_the_next(
    machine: Machine, tiny: Path, tmp_path: Path
) -> None:
    file = tiny / "one.yaml"
    file.write_text(SWEEP.partition("points:")[0] % "twin" + "points: [{words: packed}]\n")
    port, store = free_port(), tmp_path / "store"
    env = {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_CLIENT_MAX_RETRIES": "0",  # it would wait a minute for the server to come back
        "OVERLAYFLOW_STORE": str(store),
    }
    own = Machine(machine.home, env["PREFECT_API_URL"], {**machine.env, **env})
    with own_server(tmp_path / "prefect", port):
        running = own.start("sweep", file)
        deadline = time.monotonic() + 120
        while not list(store.glob("tmp/convert-*")) and time.monotonic() < deadline:
            time.sleep(0.1)
    output, _ = running.communicate(timeout=300)
    assert running.returncode == 2, output
    assert "the Prefect server does not answer" in output
    built = {path: path.stat().st_mtime_ns for path in store.glob("*/*/files/*.log")}
    assert built  # finished steps are kept
    with own_server(tmp_path / "prefect", port):
        again = reported(own.command("sweep", file, "--json"))
    assert [each.state for each in again.results] == ["done"]
    assert {path: path.stat().st_mtime_ns for path in built} == built


def test_ctrl_c_stops_every_point_and_leaves_nothing_half_written(
    machine: Machine, tiny: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    env = {**machine.env, "OVERLAYFLOW_STORE": str(store)}
    file = tiny / "two.yaml"
    file.write_text("workers: 2\n" + SWEEP % "twin")
    running = Machine(machine.home, machine.api, env).start("sweep", file)
    deadline = time.monotonic() + 120
    while len(list(store.glob("tmp/convert-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 2, output
    assert output.splitlines()[-1].startswith("overlayflow: interrupted")
    assert not list(store.glob("tmp/*"))
    assert not list(store.glob("points/*"))
