"""The whole way with toolchain vivado-hls, played by the replay tools: model file to verdict."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.orchestration.progress import LICENCES
from tests.flows.conftest import ROOT, Machine, Small, finished, http
from tests.replay import fabric

REPLAY = Path(__file__).parents[1] / "replay" / "bin"

Arguments = tuple[str | Path, ...]
Play = Callable[..., subprocess.CompletedProcess[str]]


pytestmark = pytest.mark.slow


@pytest.fixture
def plain(small: Small) -> Arguments:
    """Arguments of a run; toolchain open may have converted the model already."""
    return "run", small.model, "--data", small.data, "--toolchain", "vivado-hls"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the replay tools have compiled, which is the same for all of these runs."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def tools(machine: Machine, compiled: Path) -> dict[str, str]:
    """The environment in which the replay tools come first."""
    pytest.importorskip("tkinter", reason="no tkinter: apt-get install python3-tk")
    return {
        fabric.CACHE: str(compiled),
        "PATH": f"{REPLAY}:{machine.env['PATH']}",
        "OVERLAYFLOW_REPLAY_PYTHON": sys.executable,
    }


def test_what_vivado_made_computes_on_the_twin_what_the_model_does(
    machine: Machine, tools: dict[str, str], plain: Arguments
) -> None:
    run = finished(machine.command(*plain, "--json", **tools))
    verdict = run.verdict
    assert verdict.passed
    assert (verdict.bit_exact, verdict.samples) == (40, 40)
    versions = verdict.manifest.versions
    assert (versions["vivado_hls"], versions["vivado"]) == ("2019.2", "2019.2")
    wanted = {"flow_run_id": {"any_": [run.flow_run_id]}, "type": {"any_": ["progress"]}}
    bars = machine.query("artifacts/filter", {"artifacts": wanted})
    shown = {each["description"].partition(":")[0]: float(each["data"]) for each in bars}
    assert shown == {"synthesize": 100.0, "implement": 100.0}
    states = machine.task_states(run)
    again = finished(machine.command(*plain, "--json", **tools))
    assert states["synthesize"] == states["implement"] == "Completed"
    assert machine.task_states(again)["implement"] == "Cached"


def test_the_traced_core_is_rehearsed_then_built_by_any_vivado_into_a_package_for_both(
    machine: Machine, tools: dict[str, str], plain: Arguments, tmp_path: Path
) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text('version = "2024.1"')
    other = (*plain[:-1], "vivado", "--json")
    done = machine.command(*other, **tools, OVERLAYFLOW_REPLAY_SCENARIO=str(path))
    run = finished(done)
    assert run.verdict.passed
    assert (run.verdict.bit_exact, run.verdict.samples) == (40, 40)
    manifest = run.verdict.manifest
    assert (manifest.target, manifest.runs_on("twin")) == ("hardware", True)
    assert manifest.versions["vivado"] == "2024.1"
    assert run.verdict.measurement.simulated
    assert machine.task_states(run)["rehearse"] == "Completed"
    assert "40 of 40 samples bit-exact" in done.stderr
    assert run.rehearsal is not None
    assert run.rehearsal.bit_exact == 40
    assert run.rehearsal.measurement.deployment.package.manifest.target == "twin"
    page = machine.ask("report", run.flow_run_id, "--out", tmp_path / "report.html")
    assert page.returncode == 0, page.stderr
    assert "<th>dress rehearsal</th>" in (tmp_path / "report.html").read_text()

    path.write_text('version = "2020.1"')
    again = finished(machine.command(*other, **tools, OVERLAYFLOW_REPLAY_SCENARIO=str(path)))
    assert machine.task_states(again)["rehearse"] == "Cached"
    assert again.rehearsal == run.rehearsal


@pytest.fixture
def play(machine: Machine, tools: dict[str, str], plain: Arguments, tmp_path: Path) -> Play:
    """Run with a scenario; options of Vivado HLS make it a separate build."""

    def run(scenario: str, *options: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "scenario.toml"
        path.write_text(scenario)
        return machine.command(*plain, *options, **tools, OVERLAYFLOW_REPLAY_SCENARIO=str(path))

    return run


def test_a_failed_build_ends_the_run_with_its_reason(machine: Machine, play: Play) -> None:
    done = play('faults = [{name = "too-big"}]', "--cosim")
    assert done.returncode == 1
    assert "more Slice LUTs cells than are available" in done.stderr
    assert "permanent failure of vivado 2019.2" in done.stderr
    assert list((machine.home / "failures").glob("implement-*.tar.gz"))


def test_a_design_that_is_too_big_ends_the_run_before_it_is_placed(play: Play) -> None:
    done = play('lut = 60000\nfaults = [{name = "vivado-hang"}]', "--csim")
    assert done.returncode == 2
    assert "LUT of xc7z020clg400-1 is 112.8% used, synthesised" in done.stderr


def test_runs_wait_for_licences_whose_number_is_for_their_owner_to_say(
    machine: Machine, play: Play
) -> None:
    apply = "from deployments import apply; apply.queues(())"
    environment = machine.env | {"PYTHONPATH": str(ROOT)}

    def limits() -> dict[str, int]:
        found = machine.query("v2/concurrency_limits/filter", {})
        return {each["name"]: each["limit"] for each in found}

    subprocess.run([sys.executable, "-c", apply], env=environment, check=True)
    assert limits()[LICENCES] == 2
    http.patch(f"{machine.api}/v2/concurrency_limits/{LICENCES}", json={"limit": 1})
    subprocess.run([sys.executable, "-c", apply], env=environment, check=True)
    assert limits()[LICENCES] == 1

    done = play("", "--csim", "--cosim")
    assert done.returncode == 0, done.stderr
    assert f"waiting for the limit {LICENCES}" in done.stderr
