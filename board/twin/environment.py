"""Builds the environment of programs on a twin."""

from collections.abc import Mapping
from pathlib import Path

from board.kinds import BoardKind

EMULATION = Path(__file__).parent / "emulation"
"""On the PYTHONPATH of every Python on a twin: installs the emulated device below pynq."""

MACHINES = {"zynq7000": "armv7l", "zynqmp": "aarch64"}
"""Linux's machine name by processing system. Other systems are not emulated."""

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def board_environment(
    python: Path,
    kind: BoardKind,
    home: Path,
    *,
    commands: Path | None = None,
    faults: Path | None = None,
    temporary: Path | None = None,
) -> Mapping[str, str]:
    """Build the complete environment, without any variable of the host's.

    Args:
        python: the interpreter of the board's Python environment, in its `bin` directory.
        kind: board kind that the twin emulates.
        home: home directory of the user.
        commands: directory with replacements for the board's commands (sudo).
        faults: directory of the faults that are set; see faults.py.
        temporary: directory for temporary files; the host's by default.
    """
    # Not resolved: in a virtual environment the interpreter is a link out of it.
    path = [str(python.parent.absolute()), *([str(commands)] if commands else []), _SYSTEM_PATH]
    optional = {"OVERLAYFLOW_TWIN_FAULTS": faults, "TMPDIR": temporary}
    return {name: str(path) for name, path in optional.items() if path is not None} | {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LOGNAME": "xilinx",
        "OVERLAYFLOW_LEASE": str(home / ".overlayflow.lease"),
        "OVERLAYFLOW_TWIN_KIND": kind.name,
        "OVERLAYFLOW_TWIN_MACHINE": MACHINES[kind.processing_system],
        "OVERLAYFLOW_TWIN_PART": kind.part,
        "PATH": ":".join(path),
        "PYTHONPATH": str(EMULATION.absolute()),
        "SHELL": "/bin/sh",
        "USER": "xilinx",
        # As /etc/profile.d/pynq_venv.sh on the boards: pynq looks for devices only with it.
        "XILINX_XRT": kind.xrt,
    }
