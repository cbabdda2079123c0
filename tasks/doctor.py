"""What this machine has of all that overlayflow needs."""

import shutil
import subprocess

from tasks.finding import Finding, package, program
from tasks.records import ToolchainName
from tasks.settings import board_python, home
from tasks.toolchains.toolchain import named

PACKAGES = ("prefect", "hls4ml", "keras", "tensorflow", "paramiko")
FREE_GB = 2.0


def check(toolchain: ToolchainName | None = None, board_kind: str | None = None) -> list[Finding]:
    """All findings, or those of one toolchain, for a kind of board if one is given."""
    if toolchain is not None:
        return named(toolchain).check(board_kind)
    return [*_host(), *named("open").check(), _twin()]


def _host() -> list[Finding]:
    return [*(package(name) for name in PACKAGES), program("g++"), _disk()]


def _disk() -> Finding:
    place = next(path for path in (home(), *home().parents) if path.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    return Finding(
        name="disk",
        ok=free_gb >= FREE_GB,
        detail=f"{free_gb:.1f} GB free at {home()}",
        remedy="overlayflow store prune, or set OVERLAYFLOW_HOME to a larger disk",
    )


def _twin() -> Finding:
    python = board_python()
    command = [str(python), "-c", "from importlib.metadata import version; print(version('pynq'))"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return Finding(
            name="twin", ok=False, detail=f"no pynq at {python}", remedy="make board-env"
        )
    return Finding(name="twin", ok=True, detail=f"pynq {asked.stdout.strip()}")
