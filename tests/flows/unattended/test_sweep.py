"""Sweeps by the real command line, server and twins; what the cold run built is in the store."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from board.twin.record import TwinDirectory
from tasks.boards.address import BoardAddress
from tasks.boards.twins import address_of
from tasks.core.records.measurement import Run
from tasks.orchestration.board_block import Board
from tasks.sweeps.results import SweepReport
from tests.flows.conftest import DATA, MODEL, Machine, copy_entries
from tests.flows.unattended.api import reported
from tests.tasks.boards.conftest import Link
from tests.waiting import until

pytestmark = pytest.mark.slow

BASE = f"base: {{model: {MODEL}, data: {DATA}}}\nmeasurement: {{passes: 1, batches: [1, 4]}}\n"
BOARDS = f"""
name: boards
{BASE}
points:
  - board: twin
  - board: second
  - board: exchanged
"""
WAIT_S = 120


def written(directory: Path, text: str) -> Path:
    path = directory / "sweep.yaml"
    path.write_text(text)
    return path


def states(report: SweepReport) -> list[str]:
    return [each.state for each in report.results]


@pytest.fixture(scope="module")
def second(machine: Machine) -> Iterator[str]:
    """Another board."""
    assert machine.ask("twin", "start", "second").returncode == 0
    yield "second"
    assert machine.ask("twin", "stop", "second").returncode == 0


@pytest.fixture(scope="module")
def exchanged(machine: Machine, second: str) -> str:
    """A board that shows another host key than the one that was pinned."""
    twins = [TwinDirectory(machine.home / "twins" / name).running() for name in ("twin", second)]
    pinned, shown = (address_of(each) for each in twins if each is not None)
    board = Board.of(shown.model_copy(update={"host_key": pinned.host_key}))
    with temporary_settings({PREFECT_API_URL: machine.api}):
        board.save("exchanged")
    return "exchanged"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("sweep"), BOARDS)


@pytest.fixture(scope="module")
def first(machine: Machine, cold: Run, second: str, exchanged: str, file: Path) -> SweepReport:
    """The builds are there, no point is; one of the points cannot be measured."""
    assert cold.verdict.passed
    assert (second, exchanged) == ("second", "exchanged")
    return reported(machine.command("sweep", file, "--json"), code=1)


def runs_of_points(machine: Machine) -> list[dict[str, object]]:
    body = {"flow_runs": {"tags": {"all_": ["sweep:boards"]}}}
    return list(machine.query("flow_runs/filter", body))


def test_a_failed_point_does_not_stop_the_others(first: SweepReport, cold: Run) -> None:
    assert states(first) == ["done", "done", "failed"]
    assert "the host key has changed" in first.results[2].message
    utilisation = cold.verdict.manifest.utilisation
    assert utilisation is not None
    for each in first.results[:2]:
        assert each.figures is not None
        assert each.figures.bit_exact == 1
        assert each.figures.lut == utilisation.used.lut
        assert each.estimate is not None


def test_points_take_from_the_store_what_was_built_before(
    machine: Machine, first: SweepReport, cold: Run
) -> None:
    for each in first.results[:2]:
        run = cold.model_copy(update={"flow_run_id": each.flow_run_id})
        tasks = machine.task_states(run)
        assert tasks["benchmark"] == "Completed"
        assert {tasks[step] for step in ("convert", "synthesize", "implement", "package")} == {
            "Cached"
        }


def test_each_point_has_a_page_named_by_what_differs(machine: Machine, first: SweepReport) -> None:
    ids = {each.flow_run_id for each in first.results[:2]}
    runs = {run["name"]: run for run in runs_of_points(machine)}
    assert set(runs) == {"board=twin", "board=second", "board=exchanged"}
    for name in ("board=twin", "board=second"):
        assert runs[name]["id"] in ids
        assert runs[name]["parent_task_run_id"] is not None
        assert runs[name]["state_type"] == "COMPLETED"
    assert runs["board=exchanged"]["state_type"] == "FAILED"


def test_the_sweep_leaves_a_table_a_report_and_files(machine: Machine, first: SweepReport) -> None:
    # Those without a key are Prefect's own, for the flow's result.
    ours = {"flow_run_id": {"any_": [first.flow_run_id]}, "key": {"exists_": True}}
    body = {"artifacts": ours}
    found = {each["key"]: each for each in machine.query("artifacts/filter", body)}
    assert set(found) == {"sweep-boards-points", "sweep-boards-report", "sweep-progress"}
    assert len(json.loads(found["sweep-boards-points"]["data"])) == 3
    assert "](data:image/png;base64," in found["sweep-boards-report"]["data"]
    assert {path.name for path in Path(first.directory).iterdir()} == {
        "report.html", "report.md", "points.csv", "points.parquet", "pareto.png", "sweep.json",
    }  # fmt: skip


def test_a_second_sweep_starts_only_what_failed(
    machine: Machine, file: Path, first: SweepReport
) -> None:
    again = reported(machine.command("sweep", file, "--json"), code=1)
    assert states(again) == ["stored", "stored", "failed"]
    assert [each.figures for each in again.results] == [each.figures for each in first.results]
    assert [each.flow_run_id for each in again.results] == [
        each.flow_run_id for each in first.results
    ]
    assert len(runs_of_points(machine)) == 4  # three points, and the failed again


def refused(machine: Machine, *arguments: str | Path, **env: str) -> str:
    done = machine.command("sweep", *arguments, **env)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr[done.stderr.index("overlayflow: ") :]


def written_at(store: Path) -> dict[Path, int]:
    """When each file of the builds in a store was written."""
    return {path: path.stat().st_mtime_ns for path in store.glob("*/*/files/**/*")}


def test_a_full_disk_ends_the_sweep_and_it_goes_on_when_there_is_room(
    machine: Machine, cold: Run, tmp_path: Path
) -> None:
    assert cold.verdict.passed
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=500m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("mounting a file system needs root")
    try:
        copy_entries(machine, disk / "store", "convert", "synthesize", "implement")
        built = written_at(disk / "store")
        left = shutil.disk_usage(disk).used + 50_000  # the package does not fit any more
        subprocess.run(["mount", "-o", f"remount,size={left}", disk], check=True)
        path = written(tmp_path, f"name: full\n{BASE}axes: {{board: [twin]}}\n")
        env = {"OVERLAYFLOW_STORE": str(disk / "store")}
        told = refused(machine, path, **env)
        assert "No space left on device" in told
        assert "free some space, e.g. with `overlayflow store prune`" in told
        assert not list(disk.glob("store/tmp/*"))
        subprocess.run(["mount", "-o", "remount,size=500m", disk], check=True)
        assert states(reported(machine.command("sweep", path, "--json", **env))) == ["done"]
        assert built.items() <= written_at(disk / "store").items()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_server_that_goes_away_ends_the_sweep_and_it_goes_on_when_it_is_back(
    machine: Machine, cold: Run, tmp_path: Path
) -> None:
    assert cold.verdict.passed
    store = tmp_path / "store"
    copy_entries(machine, store, "convert", "synthesize", "implement")
    built = written_at(store)
    path = written(tmp_path, f"name: gone\n{BASE}axes: {{board: [twin]}}\n")
    own = Machine(machine.home, machine.api, {**machine.env, "OVERLAYFLOW_STORE": str(store)})
    port = int(machine.api.removesuffix("/api").rpartition(":")[2])
    server = BoardAddress(name="server", kind="pynq-z2", host="127.0.0.1", port=port)
    with contextlib.closing(Link(server, None)) as link:
        api = machine.api.replace(f":{port}/", f":{link.address.port}/")
        # One try more: by default Prefect's client waits a minute for the server to come back.
        hasty = {"PREFECT_API_URL": api, "PREFECT_CLIENT_MAX_RETRIES": "1"}
        running = Machine(own.home, api, {**own.env, **hasty}).start("sweep", path)
        assert running.stdout is not None
        head = next(line for line in running.stdout if "board twin is leased" in line)
    output, _ = running.communicate(timeout=300)
    assert running.returncode == 2, head + output
    told = [line for line in output.splitlines() if line.startswith("overlayflow: ")]
    assert [line.partition(": the ")[0] for line in told] == [f"overlayflow: {api}"]
    assert "the Prefect server does not answer" in told[0]
    assert states(reported(own.command("sweep", path, "--json"))) == ["done"]
    assert built.items() <= written_at(store).items()


def test_ctrl_c_stops_every_point_and_leaves_nothing_half_written(
    machine: Machine, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    path = written(tmp_path, f"name: two\nworkers: 2\n{BASE}axes: {{clock_period_ns: [12, 14]}}\n")
    env = {**machine.env, "OVERLAYFLOW_STORE": str(store)}
    running = Machine(machine.home, machine.api, env).start("sweep", path)
    until(lambda: len(list(store.glob("tmp/convert-*"))) == 2)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=WAIT_S)
    assert running.returncode == 2, output
    assert output.splitlines()[-1].startswith("overlayflow: interrupted")
    assert not list(store.glob("tmp/*"))
    assert not list(store.glob("points/*"))
