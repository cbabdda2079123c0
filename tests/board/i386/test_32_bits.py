"""What runs on boards under a 32-bit Python, as that of Zynq-7000, with Debian's numpy.

It needs root, to make a Debian of 32 bits (debian.py) and to change to it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.board.i386 import debian

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]
TESTS = ("test_codec.py", "test_measure.py", "test_overlay.py", "test_runner.py", "conftest.py")
TESTS_OF_TWIN = ("test_dma.py", "test_memory.py", "standin.cpp")
CONFTEST_OF_TWIN = """
import subprocess
from pathlib import Path
import pytest

@pytest.fixture(scope="session")
def standin(tmp_path_factory):
    library = tmp_path_factory.mktemp("library") / "library.so"
    source = Path(__file__).with_name("standin.cpp")
    subprocess.run(["g++", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return library.read_bytes()
"""
CONFTEST = """
import os
from pathlib import Path
import pytest

@pytest.fixture(scope="session")
def board_python():
    return Path(os.environ["OVERLAYFLOW_BOARD_PYTHON"])
"""


@pytest.fixture(scope="module")
def root() -> Path:
    """The directory that holds a Debian of 32 bits, with pynq."""
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    if platform.machine() not in {"x86_64", "i686"}:
        pytest.skip("this machine does not run i386 programs")
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed")
    try:
        return debian.made()
    except subprocess.CalledProcessError as error:  # no network, say; .ci/run insists on it
        pytest.skip(f"{error}")


@pytest.fixture
def work(root: Path) -> Iterator[Path]:
    """A directory in there with board/ and the tests that can run there."""
    with tempfile.TemporaryDirectory(dir=root / "tmp") as name:
        directory = Path(name)
        for package in ("board", "tasks"):
            shutil.copytree(ROOT / package, directory / package)
        twin = directory / "tests" / "board" / "twin"
        twin.mkdir(parents=True)
        for test in (*TESTS, "echo.c"):
            shutil.copy(HERE / test, twin.parent)
        for test in TESTS_OF_TWIN:
            shutil.copy(HERE / "twin" / test, twin)
        shutil.copy(HERE.parent / "stream.h", twin.parents[1])
        (twin / "conftest.py").write_text(CONFTEST_OF_TWIN)
        (twin.parents[1] / "conftest.py").write_text(CONFTEST)
        (directory / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
        yield directory


def run(root: Path, work: Path, *arguments: str) -> str:
    inside = Path("/", work.relative_to(root))
    script = 'cd "$0" && exec "$@"'
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(inside), "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["chroot", root, "/bin/sh", "-c", script, inside, *arguments],
        env={**path, "OVERLAYFLOW_BOARD_PYTHON": "/usr/bin/python3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pointers_and_indices_there_have_32_bits(root: Path, work: Path) -> None:
    script = "import ctypes, numpy as np; print(ctypes.sizeof(ctypes.c_void_p), np.intp(0).nbytes)"
    assert run(root, work, "python3", "-c", script).split() == ["4", "4"]


def test_what_runs_on_boards_holds_there(root: Path, work: Path) -> None:
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "--import-mode=importlib"]
    # What is refused before anything is loaded is the same everywhere.
    options += ["--basetemp=tests.tmp", "-k", "not refused"]
    said = run(root, work, "python3", "-m", "pytest", *options, "tests")
    assert "passed" in said
    assert "skipped" not in said
