"""What runs on boards under a 32-bit Python, as that of Zynq-7000, with Debian's numpy.

It needs root: Debian's i386 runs natively on x86-64, in a directory of its own that is made once,
at OVERLAYFLOW_I386 or in the cache of OVERLAYFLOW_HOME (850 MB, 3 minutes): debootstrap fills it,
and the board's Python environment gives pynq.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tasks import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGES = "python3,python3-numpy,python3-pytest,python3-hypothesis,g++"
SITE = "usr/local/lib/python3.11/dist-packages"
# What pynq imports, besides numpy, that is not written in Python.
COMPILED = ("cffi", "pydantic_core")
VERSIONS = """
import sys
from importlib.metadata import version
print(*(f"{name}=={version(name)}" for name in sys.argv[1:]))
"""
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


@pytest.fixture(scope="module")
def debian(board_python: Path) -> Path:
    """The directory that holds a Debian of 32 bits, with pynq."""
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    if platform.machine() not in {"x86_64", "i686"}:
        pytest.skip("this machine does not run i386 programs")
    default = settings.home() / "cache" / "bookworm-i386"
    root = Path(os.environ.get("OVERLAYFLOW_I386", default))
    if not root.exists():
        debootstrap(root)
    if not (root / SITE / "pynq").exists():
        install_pynq(root, board_python)
    return root


def debootstrap(root: Path) -> None:
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed")
    aside = root.with_name(f"{root.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    options = ["--arch=i386", "--variant=minbase", f"--include={PACKAGES}"]
    with aside.with_suffix(".log").open("wb") as log:
        made = subprocess.run(
            ["debootstrap", *options, "bookworm", aside],
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if made.returncode != 0:
        pytest.skip(f"debootstrap failed: see {aside.with_suffix('.log')}")
    aside.rename(root)


def install_pynq(root: Path, board_python: Path) -> None:
    """Copy what is written in Python from the board's environment; fetch the rest for i386."""
    asked = subprocess.run(
        [board_python, "-c", VERSIONS, *COMPILED], check=True, capture_output=True, text=True
    )
    aside = root / "tmp" / "site"
    shutil.rmtree(aside, ignore_errors=True)
    platforms = [f"--platform=manylinux{each}_i686" for each in ("2014", "_2_5", "_2_17")]
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11", *platforms]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options]
    if subprocess.run([*pip, "--target", aside, *asked.stdout.split()], check=False).returncode:
        pytest.skip(f"{asked.stdout.strip()} cannot be installed for i386")
    (site,) = board_python.parents[1].glob("lib/python3*/site-packages")
    for path in site.iterdir():
        if path.suffix == ".so" or path.name.startswith("numpy") or any(path.rglob("*.so")):
            continue
        if path.is_dir():
            shutil.copytree(path, aside / path.name, dirs_exist_ok=True)
        else:
            shutil.copy(path, aside)
    align(aside / "pynq" / "_3rdparty")
    shutil.rmtree(root / SITE)
    aside.rename(root / SITE)


def align(directory: Path) -> None:
    """Have pynq read .xclbin files on i386 as on ARM."""
    shutil.copy(HERE / "aligned.py", directory)
    reader = directory / "xclbin.py"
    lines = "import ctypes\nfrom . import aligned\n"
    text = reader.read_text().replace("import ctypes\n", lines, 1)
    reader.write_text(text.replace("ctypes.Structure", "aligned.Structure"))


@pytest.fixture
def work(debian: Path) -> Iterator[Path]:
    """A directory in there with board/ and the tests that can run there."""
    with tempfile.TemporaryDirectory(dir=debian / "tmp") as name:
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
        (directory / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
        yield directory


def run(debian: Path, work: Path, *arguments: str) -> str:
    inside = Path("/", work.relative_to(debian))
    script = 'cd "$0" && exec "$@"'
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(inside), "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["chroot", debian, "/bin/sh", "-c", script, inside, *arguments],
        env={**path, "OVERLAYFLOW_BOARD_PYTHON": "/usr/bin/python3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pointers_and_indices_there_have_32_bits(debian: Path, work: Path) -> None:
    script = "import ctypes, numpy as np; print(ctypes.sizeof(ctypes.c_void_p), np.intp(0).nbytes)"
    assert run(debian, work, "python3", "-c", script).split() == ["4", "4"]


def test_what_runs_on_boards_holds_there(debian: Path, work: Path) -> None:
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "--import-mode=importlib"]
    # What is refused before anything is loaded is the same everywhere.
    options += ["--basetemp=tests.tmp", "-k", "not refused"]
    said = run(debian, work, "python3", "-m", "pytest", *options, "tests")
    assert "passed" in said
    assert "skipped" not in said
