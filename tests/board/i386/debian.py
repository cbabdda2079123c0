"""Makes a Debian of 32 bits with Python, numpy and pynq: python -m tests.board.i386.debian

Debian's i386 runs natively on x86-64, in a directory of its own that is made once, at
OVERLAYFLOW_I386 or in the cache of OVERLAYFLOW_HOME (850 MB, 2 minutes): debootstrap fills it, and
the board's Python environment gives pynq. It needs root.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tasks.core import settings

HERE = Path(__file__).parent
PACKAGES = "python3,python3-numpy,python3-pytest,python3-hypothesis,g++"
SITE = "usr/local/lib/python3.11/dist-packages"
# What pynq imports, besides numpy, that is not written in Python.
COMPILED = ("cffi", "pydantic_core")
VERSIONS = """
import sys
from importlib.metadata import version
print(*(f"{name}=={version(name)}" for name in sys.argv[1:]))
"""


def made() -> Path:
    """Its directory, made where it is not there yet.

    Raises:
        OSError, subprocess.CalledProcessError: debootstrap or pip is not there or fails.
    """
    root = Path(os.environ.get("OVERLAYFLOW_I386", settings.home() / "cache" / "bookworm-i386"))
    if not root.exists():
        _debootstrap(root)
    if not (root / SITE / "pynq").exists():
        _install_pynq(root, settings.board_python())
    return root


def _debootstrap(root: Path) -> None:
    aside = root.with_name(f"{root.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    options = ["--arch=i386", "--variant=minbase", f"--include={PACKAGES}"]
    with aside.with_suffix(".log").open("wb") as log:
        subprocess.run(
            ["debootstrap", *options, "bookworm", aside],
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    aside.rename(root)


def _install_pynq(root: Path, board_python: Path) -> None:
    """Copy what is written in Python from the board's environment; fetch the rest for i386."""
    asked = subprocess.run(
        [board_python, "-c", VERSIONS, *COMPILED], check=True, capture_output=True, text=True
    )
    aside = root / "tmp" / "site"
    shutil.rmtree(aside, ignore_errors=True)
    platforms = [f"--platform=manylinux{each}_i686" for each in ("2014", "_2_5", "_2_17")]
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11", *platforms]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options]
    subprocess.run([*pip, "--target", aside, *asked.stdout.split()], check=True)
    (site,) = board_python.parents[1].glob("lib/python3*/site-packages")
    for path in site.iterdir():
        if path.suffix == ".so" or path.name.startswith("numpy") or any(path.rglob("*.so")):
            continue
        if path.is_dir():
            shutil.copytree(path, aside / path.name, dirs_exist_ok=True)
        else:
            shutil.copy(path, aside)
    _align(aside / "pynq" / "_3rdparty")
    shutil.rmtree(root / SITE)
    aside.rename(root / SITE)


def _align(directory: Path) -> None:
    """Have pynq read .xclbin files on i386 as on ARM."""
    shutil.copy(HERE / "aligned.py", directory)
    reader = directory / "xclbin.py"
    lines = "import ctypes\nfrom . import aligned\n"
    text = reader.read_text().replace("import ctypes\n", lines, 1)
    reader.write_text(text.replace("ctypes.Structure", "aligned.Structure"))


if __name__ == "__main__":
    sys.stdout.write(f"{made()}\n")
