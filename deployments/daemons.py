"""Start, find and stop processes that outlive the command that starts them.

A record contains the process's start time as well as its id, so a process to which the kernel has
since given the same id is never mistaken for ours.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from board.twin.processes import detach, end_group, start_time, tail
from tasks.core.errors import ToolError
from tasks.core.records.base import Record

STOP_S = 20.0


class Daemon(Record):
    """A daemon process.

    Attributes:
        pid: id of the process, which leads its own process group.
        started: the kernel's start time of the process, in clock ticks since boot.
        log: file with the process's output.
    """

    name: str
    pid: int
    started: int
    log: Path

    @property
    def runs(self) -> bool:
        """Whether this process, and not another one with its id, is running."""
        return start_time(self.pid) == self.started


def find(directory: Path, name: str) -> Daemon | None:
    """Return the daemon of this name, or None if it is not running."""
    try:
        daemon = Daemon.model_validate_json(_record(directory, name).read_text())
    except FileNotFoundError:
        return None
    return daemon if daemon.runs else None


def start(
    directory: Path,
    name: str,
    command: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    *,
    umask: int = -1,
) -> Daemon:
    """Start a daemon, or return the one that is running.

    Args:
        directory: directory of records and logs.
        name: name of the daemon; only one daemon of a name runs at a time.
        command: program and arguments.
        env: the complete environment.
        cwd: the working directory.
        umask: file mode mask of the daemon; by default this process's.

    Raises:
        ToolError: the process exited immediately.
    """
    running = find(directory, name)
    if running is not None:
        return running
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = directory / f"{name}.log"
    process = detach(command, log, cwd, env, umask)
    started = start_time(process.pid)
    if started is None:
        raise ToolError(
            f"exited immediately with status {process.poll()}:\n{tail(log)}", where=name, log=log
        )
    daemon = Daemon(name=name, pid=process.pid, started=started, log=log)
    _record(directory, name).write_text(daemon.model_dump_json())
    return daemon


def stop(directory: Path, name: str) -> bool:
    """Stop a daemon and its process group; return False if it was not running."""
    daemon = find(directory, name)
    if daemon is not None:
        end_group(daemon.pid, STOP_S)
    _record(directory, name).unlink(missing_ok=True)
    return daemon is not None


def _record(directory: Path, name: str) -> Path:
    return directory / f"{name}.json"
