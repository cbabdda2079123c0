"""Verilator's opinion of a design."""

import os
import subprocess

from tasks.toolchains.open.image import verilator_root
from tasks.toolchains.shell.shell import Design


def lint(design: Design) -> list[str]:
    """What `verilator -Wall` says, a line each; nothing of a good design."""
    root = verilator_root()
    options = ("--lint-only", "-Wall", "-Wno-fatal", "--quiet-stats", "--top-module", design.top)
    found = subprocess.run(
        [root / "bin" / "verilator_bin", *options, *design.files],
        env=os.environ | {"VERILATOR_ROOT": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    return (found.stdout + found.stderr).splitlines()
