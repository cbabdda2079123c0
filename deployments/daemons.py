"""Processes that outlive the command that starts them: started once, recorded, found, stopped.

A record holds the process's start time beside its id, so that an id that the kernel has given to
another process since is never taken for ours.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from board.twin.processes import group_runs, start_time
from tasks.core.errors import ToolError
from tasks.core.records.base import Record

POLL_S = 0.1
STOP_S = 20.0
LOG_TAIL_LINES = 8


class Daemon(Record):
    """A process that was started here.

    Attributes:
        pid: of the process, which leads a process group of its own.
        started: clock ticks since boot, as the kernel has it.
        log: of all it printed.
    """

    name: str
    pid: int
    started: int
    log: Path

    @property
    def runs(self) -> bool:
        """Whether the very process that was started still runs."""
        return start_time(self.pid) == self.started


def find(directory: Path, name: str) -> Daemon | None:
    """The daemon of that name, if it runs."""
    try:
        daemon = Daemon.model_validate_json(_record(directory, name).read_text())
    except FileNotFoundError:
        return None
    return daemon if daemon.runs else None


def start(
    directory: Path, name: str, command: Sequence[str], env: Mapping[str, str], cwd: Path
) -> Daemon:
    """Start a daemon, or return the one that runs.

    Args:
        directory: of records and logs.
        name: one daemon of a name runs at a time.
        command: program and arguments.
        env: its whole environment.
        cwd: its working directory.

    Raises:
        ToolError: it ended at once.
    """
    running = find(directory, name)
    if running is not None:
        return running
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = directory / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    started = start_time(process.pid)
    if started is None:
        raise ToolError(
            f"ended at once with status {process.poll()}:\n{tail(log)}", where=name, log=log
        )
    daemon = Daemon(name=name, pid=process.pid, started=started, log=log)
    _record(directory, name).write_text(daemon.model_dump_json())
    return daemon


def stop(directory: Path, name: str) -> bool:
    """Stop a daemon and its process group; False if it did not run."""
    daemon = find(directory, name)
    if daemon is not None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon.pid, number)
            if _ended(daemon.pid):
                break
    _record(directory, name).unlink(missing_ok=True)
    return daemon is not None


def tail(log: Path) -> str:
    """The last lines of a log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:])


def _record(directory: Path, name: str) -> Path:
    return directory / f"{name}.json"


def _ended(group: int) -> bool:
    deadline = time.monotonic() + STOP_S
    while group_runs(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
