"""A module of the user's with the name of one of our packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def python(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a directory, which comes first on its path."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["flows.py", "tasks.py", "board.py", "board/__init__.py"])
def test_the_command_line_names_the_file_that_hides_a_package(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("print('mine')")
    done = python(tmp_path, "-m", "deployments.cli.main", "--version")
    assert (done.returncode, done.stdout) == (2, "")
    package = name.removesuffix(".py").partition("/")[0]
    hides = f"overlayflow: {tmp_path / name} hides overlayflow's package {package}: rename it"
    assert done.stderr.startswith(hides)


@pytest.mark.parametrize("name", ["tasks", "board"])
@pytest.mark.parametrize("module", ["flows.deploy", "deployments.api"])
def test_a_script_is_told_as_much(tmp_path: Path, name: str, module: str) -> None:
    (tmp_path / f"{name}.py").touch()
    done = python(tmp_path, "-c", f"import {module}")
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"ImportError: {tmp_path / name}.py hides overlayflow's package {name}")


def test_a_directory_of_data_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()  # no package
    done = python(tmp_path, "-m", "deployments.cli.main", "--version")
    assert done.returncode == 0, done.stderr
