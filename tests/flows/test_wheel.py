"""A wheel of the sources, installed elsewhere, does what the clone does."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.core.records.measurement import Run
from tests.flows.conftest import PASSWORDS, ROOT, Machine, copy_entries, finished
from tests.flows.unattended.api import deployment, ended, start
from tests.waiting import free_port

pytestmark = pytest.mark.slow

CODE = "from tasks.store.code import code_digest; print(code_digest('tasks', 'board', 'flows'))"


def pip(*arguments: str | Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, which takes its dependencies from this one."""
    place = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listed.stdout.splitlines():  # a build leaves files beside what it reads
        (place / "sources" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place / "sources" / name)
    # Without network: setuptools is here, and every dependency.
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", place, place / "sources")
    environment = place / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (wheel,) = place.glob("*.whl")
    pip("--python", environment, "install", "--no-deps", "--no-index", wheel)
    packages = Path("lib") / f"python{sysconfig.get_python_version()}" / "site-packages"
    (environment / packages / "host.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return environment


@pytest.fixture(scope="module")
def elsewhere(
    installed: Path, machine: Machine, cold: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """What the installed `overlayflow up` has started, in an empty directory."""
    home = tmp_path_factory.mktemp("elsewhere")
    assert cold.verdict.passed
    copy_entries(machine, home / "store", "convert", "synthesize", "implement")
    kept = {name: value for name, value in machine.env.items() if not name.startswith("PREFECT_")}
    kept.pop("OVERLAYFLOW_STORE", None)
    port = free_port()
    there = Machine(home, f"http://127.0.0.1:{port}/api", kept | {"OVERLAYFLOW_HOME": str(home)})
    try:
        started = command(installed, there, "up", "--port", str(port), "--json")
        assert started.returncode == 0, started.stderr
        PASSWORDS.known[port] = (home / "server" / "password").read_text().strip()
        yield there
    finally:
        stopped = command(installed, there, "down", "--json")
    assert set(json.loads(stopped.stdout)["stopped"]) == {
        "worker-builders", "worker-boards", "server", "twin"
    }  # fmt: skip


def command(
    installed: Path, machine: Machine, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run the installed `overlayflow` to its end, away from the clone."""
    return subprocess.run(
        [installed / "bin" / "overlayflow", *map(str, arguments)],
        cwd=machine.home,
        env=machine.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_it_holds_every_file_that_results_depend_on(installed: Path, tmp_path: Path) -> None:
    digests = {
        subprocess.run(
            [python, "-c", CODE],
            cwd=tmp_path,
            env=os.environ | path,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for python, path in (
            (installed / "bin" / "python", {}),
            (Path(sys.executable), {"PYTHONPATH": str(ROOT)}),
        )
    }
    assert len(digests) == 1


def test_it_tells_its_version_and_what_is_missing(installed: Path, elsewhere: Machine) -> None:
    assert command(installed, elsewhere, "--version").stdout.startswith("overlayflow ")
    told = command(installed, elsewhere, "doctor", "--json")
    assert told.returncode == 0, told.stdout
    bare = {**elsewhere.env, "OVERLAYFLOW_BOARD_PYTHON": ""}
    bare.pop("OVERLAYFLOW_BOARD_PYTHON")
    told = command(installed, Machine(elsewhere.home, elsewhere.api, bare), "doctor", "--json")
    (twin,) = (each for each in json.loads(told.stdout)["findings"] if each["name"] == "twin")
    place = installed / "share" / "overlayflow"
    assert twin["remedy"] == f"make -C {place} board-env"
    asked = subprocess.run(
        ["make", "-n", "-C", place, "board-env"], check=True, capture_output=True
    )
    assert b"constraints/board.txt" in asked.stdout


def test_it_runs_its_example_from_the_command_line(
    installed: Path, elsewhere: Machine, cold: Run
) -> None:
    digits = installed / "share" / "overlayflow" / "examples" / "digits"
    run = finished(
        command(
            installed, elsewhere,
            "run", digits / "digits.keras", "--data", digits / "digits.npz", "--json",
        )
    )  # fmt: skip
    assert (run.verdict.bit_exact, run.verdict.samples) == (450, 450)
    # What the clone has built is what the wheel would build.
    assert run.verdict.manifest.layers
    assert (
        run.verdict.measurement.deployment.package.digest
        == cold.verdict.measurement.deployment.package.digest
    )


def test_prefects_own_commands_find_the_server_as_the_page_tells(elsewhere: Machine) -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    section = page.partition("### Prefect's own commands\n")[2]
    shown = section.partition("```console\n")[2].partition("```")[0]
    lines = [line.removeprefix("$ ") for line in shown.splitlines()]
    lines += [
        "prefect deployment schedule clear --accept-yes check-boards/boards-health",
        "prefect gcl update vivado-licences --limit 4",
    ]
    script = "\n".join(lines).replace("~/.local/share/overlayflow", str(elsewhere.home))
    done = subprocess.run(
        ["bash", "-ec", script.replace("http://127.0.0.1:4200/api", elsewhere.api)],
        cwd=elsewhere.home,
        env=elsewhere.env | {"PATH": f"{Path(sys.executable).parent}:{elsewhere.env['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Resumed work pool 'builders'" in done.stdout
    assert "Cleared all schedules for deployment check-boards/boards-health" in done.stdout


def test_its_worker_runs_the_example_that_the_form_offers(elsewhere: Machine) -> None:
    offered = deployment(elsewhere, "deploy-model")["parameters"]
    assert Path(offered["model"]).is_absolute()
    run = ended(elsewhere, start(elsewhere, "deploy-model", {}))
    assert run["state_type"] == "COMPLETED", run["state"]
