"""The main job, by the real command line, server, compilers, twin and pynq, for a small model.

The digits example, whose figures docs/start.md shows, is in test_digits.py.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from board.twin.record import TwinDirectory
from tasks.boards.lease import lease
from tasks.boards.ssh import connect
from tasks.boards.twins import address_of
from tasks.core.records.design import Implementation
from tasks.core.records.measurement import Run
from tasks.packaging import archive
from tasks.steps import building
from tasks.store.store import Store
from tests.flows.conftest import ROOT, Machine, Small, finished
from tests.flows.unattended.api import events
from tests.waiting import until

pytestmark = pytest.mark.slow


def implementation_of(machine: Machine, small: Small) -> Implementation:
    """What the open toolchain has made of the model."""
    store = Store(machine.home / "store")
    entries = (each.entry for each in store.list() if each.entry.step == "implement")
    records = (store.record(entry, Implementation) for entry in entries)
    (found,) = (
        each
        for each in records
        if each.synthesis.project.model_name == small.model.name and "yosys" in each.versions
    )
    return found


def package_file(machine: Machine, run: Run) -> Path:
    entry = run.verdict.measurement.deployment.package.entry
    return Store(machine.home / "store").files(entry) / archive.PACKAGE_FILE


@pytest.fixture(scope="module")
def first(machine: Machine, small: Small) -> Run:
    """The first run of the small model: everything has to be built."""
    return finished(machine.command("run", small.model, "--data", small.data, "--json"))


def test_the_board_computes_what_the_model_does(first: Run) -> None:
    verdict = first.verdict
    assert verdict.passed
    assert (verdict.bit_exact, verdict.samples) == (40, 40)
    assert verdict.accuracy_board == 1
    assert verdict.measurement.simulated
    assert verdict.measurement.clock_mhz == 100.0
    versions = verdict.manifest.versions
    assert set(versions) >= {"hls4ml", "keras", "g++", "alkaid", "yosys", "verilator"}


def test_a_sample_of_16_words_costs_16_cycles(first: Run) -> None:
    cycles = first.verdict.measurement.cycles_per_sample
    assert cycles is not None
    assert 16 <= cycles < 18


def test_a_second_run_takes_every_step_but_the_board_from_the_cache(
    machine: Machine, small: Small, first: Run
) -> None:
    shown = machine.command("-v", "run", small.model, "--data", small.data)
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr.count("is in the store") == 4  # convert, synthesize, implement, package
    assert "board twin: running" in shown.stderr
    assert "DEBUG   | prefect." not in shown.stderr
    for told in (
        "accuracy, framework",
        "40 of 40 test samples",
        "cycles per sample",
        "of 53,200",
        "package.tar.gz",
        "/runs/flow-run/",
    ):
        assert told in shown.stdout
    (page,) = re.findall(r"/runs/flow-run/(\S+)", shown.stdout)
    runs = json.loads(machine.ask("history", "--model", "small.keras", "--json").stdout)["runs"]
    again = next(run for run in map(Run.model_validate, runs) if run.flow_run_id == page)
    states = machine.task_states(again)
    building = {step: states[step] for step in ("convert", "synthesize", "implement", "package")}
    assert set(building.values()) == {"Cached"}
    assert states["benchmark"] == "Completed"
    assert again.verdict.measurement.deployment.sent_bytes == 0
    assert again.verdict.measurement.y_hw_digest == first.verdict.measurement.y_hw_digest


def test_the_same_inputs_package_to_the_same_bytes(
    machine: Machine, small: Small, first: Run, tmp_path: Path
) -> None:
    implementation = implementation_of(machine, small)
    other = Store(tmp_path)
    for entry in (implementation.entry, implementation.synthesis.project.entry):
        shutil.copytree(
            machine.home / "store" / entry.step / entry.digest, tmp_path / entry.step / entry.digest
        )
    packaged = building.package(implementation, (), small.model).get(other)
    assert packaged.digest == first.verdict.measurement.deployment.package.digest


def test_the_documented_three_lines_run_with_the_stock_driver(machine: Machine, first: Run) -> None:
    """hls4ml's own axi_stream_driver.py in the untarred package, and nothing of ours."""
    twin = TwinDirectory(machine.home / "twins" / "twin").read_record()
    assert twin is not None
    script = (
        "import numpy as np\n"
        "X_test, y_test = np.load('X_test.npy'), np.load('y_test.npy')\n"
        "from axi_stream_driver import NeuralNetworkOverlay\n"
        "nn = NeuralNetworkOverlay('hls4ml_nn.bit', X_test.shape, y_test.shape)\n"
        "y_hw, latency, throughput = nn.predict(X_test, profile=True)\n"
        "print('equal', np.array_equal(y_hw, np.load('y_csim.npy')))\n"
    )
    address = address_of(twin)
    with (
        lease([address], "the documented way", duration_s=300, wait_s=300),
        connect(address) as (connection),
    ):
        with connection.sftp() as sftp:
            sftp.put(str(package_file(machine, first)), "package.tar.gz")
        unpack = (
            "rm -rf stock && mkdir stock && tar -xzf package.tar.gz -C stock && rm -r stock/board"
        )
        assert connection.execute(["sh", "-c", unpack]).status == 0
        done = connection.execute(["sh", "-c", 'cd stock && python3 -c "$0"', script])
    assert done.status == 0, done.stderr
    assert re.search(r"^Classified 40 samples in .* seconds", done.stdout, re.MULTILINE)
    assert done.stdout.splitlines()[-1] == "equal True"
    with tarfile.open(package_file(machine, first)) as tar:
        driver = tar.extractfile("axi_stream_driver.py")
        assert driver is not None
        packed = driver.read()
    from tasks.toolchains.open.twin import stock_driver

    assert packed == stock_driver().read_bytes()


def test_a_package_is_measured_again_by_itself_though_the_history_cannot_be_written(
    machine: Machine, first: Run, tmp_path: Path
) -> None:
    (tmp_path / "runs").write_text("in the way")
    package = package_file(machine, first)
    done = machine.command("bench", package, "--json", OVERLAYFLOW_STORE=str(tmp_path))
    run = finished(done)
    assert f"the run is not in the history: {tmp_path}/runs: File exists" in done.stderr
    assert run.verdict.bit_exact == 40
    assert run.verdict.measurement.deployment.package.digest == (
        first.verdict.measurement.deployment.package.digest
    )


def test_a_run_whose_gate_fails_shows_its_figures_and_its_report(
    machine: Machine, first: Run
) -> None:
    try:
        assert machine.ask("twin", "start", "wrong").returncode == 0
        assert machine.ask("twin", "fault", "wrong", "wrong-output=0x400000").returncode == 0
        done = machine.command("bench", package_file(machine, first), "--board", "wrong")
    finally:
        machine.ask("twin", "stop", "wrong")
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert re.search(r"bit-exact samples: gate failed: \d+ of 40 samples equal", done.stderr)
    (name,) = re.findall(r"overlayflow report (\S+)", done.stdout)
    page = machine.home / "failed.html"
    assert machine.ask("report", name, "--out", page).returncode == 0
    assert '<span class="bad">FAILED</span>' in page.read_text()


def test_the_run_leaves_a_summary_and_its_models_history(machine: Machine, first: Run) -> None:
    body = {"artifacts": {"flow_run_id": {"any_": [first.flow_run_id]}}}
    found = {each["key"]: each for each in machine.query("artifacts/filter", body)}
    assert set(found) == {"implement-progress", "small-report", "small-history"}
    assert found["implement-progress"]["data"] == 100
    assert found["implement-progress"]["description"].startswith("implement: done")
    assert found["small-history"]["data"].startswith("# small: ")
    assert "](data:image/png;base64," in found["small-history"]["data"]
    summary = found["small-report"]["data"]
    assert summary.startswith("# small: passed")
    assert "| bit-exact with the C simulation | 40 of 40 test samples |" in summary
    assert "\n## Gates\n" in summary
    assert f"overlayflow report {first.flow_run_id[:8]}" in summary


def test_the_boards_page_says_who_has_it_and_what_it_ran_last(
    machine: Machine, small: Small, first: Run
) -> None:
    assert machine.ask("boards", "lease", "twin", "--for", "9m", "--why", "tea").returncode == 0
    # A run of whoever has the board gives it back to him.
    again = finished(machine.command("run", small.model, "--data", small.data, "--json"))
    body = {"artifacts": {"key": {"any_": ["board-twin"]}}, "sort": "CREATED_DESC"}
    try:
        newest, *_ = machine.query("artifacts/filter", body)
    finally:
        assert machine.ask("boards", "release", "twin").returncode == 0
    assert newest["data"].startswith("# Board twin\n")
    assert "| state | leased: " in newest["data"]
    assert "(tea) |" in newest["data"]
    assert "| waiting | nobody |" in newest["data"]
    assert "Last run: [" in newest["data"]
    assert first.flow_run_id[:8] in newest["data"]
    assert f"/{again.flow_run_id})" in newest["data"]
    newest, *_ = machine.query("artifacts/filter", body)
    assert "| state | free |" in newest["data"]


def test_a_finished_run_tells_its_figures_by_an_event(machine: Machine, first: Run) -> None:
    payloads = [each["payload"] for each in events(machine, "overlayflow.run.passed")]
    (told,) = (each for each in payloads if each["page"].endswith(first.flow_run_id))
    assert told["what"] == f"{first.flow_run_name} passed"
    assert told["figures"]["bit-exact with the C simulation"] == "40 of 40 test samples"


def test_the_history_compares_runs(machine: Machine, first: Run) -> None:
    shown = machine.ask("history", "--model", "small.keras", "--board", "twin")
    assert shown.returncode == 0
    assert first.flow_run_id[:8] in shown.stdout
    refused = machine.ask("history", "--model", "smal.keras")
    assert refused.returncode == 2
    assert "no run has this model: did you mean 'small.keras'?" in refused.stderr
    assert first.flow_run_id in machine.ask("history", "--json").stdout


def test_a_corrupt_entry_is_set_aside_and_built_again(
    machine: Machine, small: Small, first: Run
) -> None:
    entry = first.verdict.measurement.deployment.package.entry
    package_file(machine, first).write_bytes(b"rotten")
    again = finished(machine.command("run", small.model, "--data", small.data, "--json"))
    assert machine.task_states(again)["package"] == "Completed"
    assert again.verdict.measurement.deployment.package.entry == entry
    assert again.verdict.measurement.deployment.package.digest == (
        first.verdict.measurement.deployment.package.digest
    )
    assert list((machine.home / "store" / "corrupt").iterdir())


def test_a_design_beyond_the_limit_is_refused_with_its_figures_and_what_to_do(
    machine: Machine, small: Small, first: Run
) -> None:
    """Before the long tools start: what the synthesis estimates is in the store."""
    assert first.verdict.passed
    script = (
        "import sys\n"
        "from flows.deploy import DeployAdvanced, deploy_model\n"
        "from tasks.quality.gates import GateSettings\n"
        "from tasks.core.records.settings import ConvertSettings\n"
        "settings = ConvertSettings(project_name='small')\n"
        "advanced = DeployAdvanced(limits=GateSettings(estimate=0.0001))\n"
        "deploy_model(*sys.argv[1:], conversion=settings, advanced=advanced)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, small.model, small.data],
        cwd=ROOT, env=machine.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = done.stderr.splitlines()
    (refused,) = (line for line in told if line.startswith("tasks.core.errors.DoesNotFitError: "))
    assert re.search(r"of xc7z020clg400-1 is .*% used", refused)
    assert "of 53,200" in refused
    assert "biggest: hidden" in refused
    assert any(line.strip().startswith("-> lower the precisions") for line in told)


def test_ctrl_c_ends_with_one_message_and_leaves_nothing_half_written(
    machine: Machine, small: Small, tmp_path: Path
) -> None:
    env = machine.env | {"OVERLAYFLOW_STORE": str(tmp_path / "store")}
    running = Machine(machine.home, machine.api, env).start(
        "run", small.model, "--data", small.data
    )
    tmp = tmp_path / "store" / "tmp"
    until(lambda: list(tmp.glob("convert-*")))
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=60)
    assert running.returncode == 2, output
    assert output.splitlines()[-1].startswith("overlayflow: interrupted")
    assert not list(tmp.glob("*"))


def test_golden_outputs_are_those_of_the_c_simulation(machine: Machine, first: Run) -> None:
    y_hw = np.load(Path(first.verdict.measurement.directory) / "y_hw.npy")
    assert np.array_equal(y_hw, archive.read_array(package_file(machine, first), "y_csim.npy"))
