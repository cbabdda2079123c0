"""Starts, finds and ends processes that outlive the command that starts them."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# Fields of /proc/PID/stat, counted from the one after the command: see proc_pid_stat(5).
_STATE, _GROUP, _START_TIME = 0, 2, 19
_POLL_S = 0.02
_LOG_TAIL_LINES = 8


def detach(
    command: Sequence[str],
    log: Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    umask: int = -1,
) -> subprocess.Popen[bytes]:
    """Start a process in a new session, with its output appended to a log."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=env,
            umask=umask,
            start_new_session=True,
        )


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_TAIL_LINES:])


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it does not run."""
    fields = _live(pid)
    return int(fields[_START_TIME]) if fields else None


def group_runs(group: int) -> bool:
    """Return whether a process of a process group runs.

    kill(-group, 0) would also count zombies, which a container's init may never reap.
    """
    return any(fields and int(fields[_GROUP]) == group for fields in map(_live, _pids()))


def end_group(group: int, within_s: float, request: int = signal.SIGTERM) -> bool:
    """Ask a process group to end, kill what is left after some seconds; return whether it ended."""
    for number in (request, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)
        deadline = time.monotonic() + within_s
        while group_runs(group):  # the kernel does not report the end of a group
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        else:
            return True
    return False


def kill_all(home: Path) -> None:
    """Kill all processes of a twin and wait until none is left."""
    while pids := processes_of(home):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)


def processes_of(home: Path) -> list[int]:
    """Return the pids of all processes on a twin, in any session, by its home directory."""
    mark = b"HOME=" + os.fsencode(home)
    return [pid for pid in _pids() if mark in _environment(pid) and _live(pid)]


def _environment(pid: int) -> set[bytes]:
    try:
        return set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:
        return set()


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _live(pid: int) -> list[str] | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command, in parentheses, may contain anything.
    fields = stat.rpartition(")")[2].split()
    return None if fields[_STATE] in "ZX" else fields
