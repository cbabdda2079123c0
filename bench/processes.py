"""Processes by /proc: who descends from whom, and what they are."""

from pathlib import Path


def pids() -> list[int]:
    """Return the ids of all processes."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def tree(root: int) -> list[int]:
    """Return a process and all that it has started, the guards' sessions included."""
    parents = {pid: _parent(pid) for pid in pids()}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def name(pid: int) -> str:
    """Return a process's program, for Python its module or script."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "a process"
    given = [each for each in arguments[1:] if each and each[0] != "-" and each != "faulthandler"]
    program = Path(arguments[0]).name
    return f"{program} {Path(given[0]).name}" if given else program


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])
