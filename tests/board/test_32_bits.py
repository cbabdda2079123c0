"""What runs on boards under a 32-bit Python, as that of Zynq-7000, with Debian's numpy.

It needs root: Debian's i386 runs natively on x86-64, in a directory of its own that debootstrap
fills once, at OVERLAYFLOW_I386 or in the cache of OVERLAYFLOW_HOME (600 MB, 3 minutes). pynq does
not load a design there: its reader of .xclbin takes 64-bit fields to be aligned to 64 bits, as on
ARM, and on i386 they are not.
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

from tasks import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.extended]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGES = "python3,python3-numpy,python3-pytest,python3-hypothesis,g++"
# They need nothing but pytest, hypothesis, numpy and board/.
TESTS = ("test_codec.py", "test_measure.py", "twin/test_dma.py", "twin/test_memory.py")
CONFTEST = """
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
def debian() -> Path:
    """The directory that holds a Debian of 32 bits."""
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    if platform.machine() not in {"x86_64", "i686"}:
        pytest.skip("this machine does not run i386 programs")
    default = settings.home() / "cache" / "bookworm-i386"
    root = Path(os.environ.get("OVERLAYFLOW_I386", default))
    if not root.exists():
        debootstrap(root)
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


@pytest.fixture
def work(debian: Path) -> Iterator[Path]:
    """A directory in there with board/ and the tests that can run there."""
    with tempfile.TemporaryDirectory(dir=debian / "tmp") as name:
        directory = Path(name)
        shutil.copytree(ROOT / "board", directory / "board")
        tests = directory / "tests"
        tests.mkdir()
        for test in (*TESTS, "twin/standin.cpp"):
            shutil.copy(HERE / test, tests)
        (tests / "conftest.py").write_text(CONFTEST)
        (directory / "pytest.ini").write_text("[pytest]\n")
        yield directory


def run(debian: Path, work: Path, *arguments: str) -> str:
    inside = Path("/", work.relative_to(debian))
    script = 'cd "$0" && exec "$@"'
    done = subprocess.run(
        ["chroot", debian, "/bin/sh", "-c", script, inside, *arguments],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(inside), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pointers_and_indices_there_have_32_bits(debian: Path, work: Path) -> None:
    script = "import ctypes, numpy as np; print(ctypes.sizeof(ctypes.c_void_p), np.intp(0).nbytes)"
    assert run(debian, work, "python3", "-c", script).split() == ["4", "4"]


def test_codec_figures_memory_and_dma_hold_there(debian: Path, work: Path) -> None:
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "--import-mode=importlib"]
    said = run(debian, work, "python3", "-m", "pytest", *options, "tests")
    assert "passed" in said
    assert "skipped" not in said
