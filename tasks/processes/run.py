"""Supervises tool runs: no tool outlives its flow, hangs it, or fails silently.

External programs run through `run_tool`, our own Python child processes through `run_child`
(tasks/processes/child.py). Both work from any thread. They stop the tool's whole process tree at a
deadline, on any exception (Ctrl-C, cancellation) and, through guard.py, when this process dies.
"""

import contextlib
import logging
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import DiskFullError, ToolError, ToolMissingError, ToolTimeoutError
from tasks.processes.log import DISK_FULL, NO_MEMORY, LogLines, first_errors
from tasks.processes.redaction import redact

_log = logging.getLogger(__name__)
_GUARD = Path(__file__).resolve().with_name("guard.py")
# Exceptions that Prefect injects are delivered between two polls.
_POLL_S = 0.5
# Prefect kills this process 30 s after it asked for a stop; the guard needs _GRACE_S + 5 s.
_GRACE_S = 5.0
_STOP_S = 15.0
_DISK_FULL_BYTES = 1 << 20
# A shell whose command was ended by a signal exits with this plus the signal's number.
_SHELL = 128


@dataclass(frozen=True)
class ToolRun:
    """One finished run of a tool.

    Attributes:
        returncode: the exit status; negative is minus the signal's number (as in subprocess).
        seconds: wall time.
        peak_rss_bytes: largest sum of the resident sets of the tool's processes, sampled; a page
            that processes share counts for each of them.
        log: everything it printed.
    """

    returncode: int
    seconds: float
    peak_rss_bytes: int
    log: Path


def run_tool(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    step: str,
    deadline_s: float,
    expected: Sequence[str | Path] = (),
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    stall_s: float | None = None,
) -> ToolRun:
    """Run a tool to its end and check that it did its work.

    Args:
        argv: the command and its arguments; no shell is involved.
        cwd: where it runs.
        log: file for its stdout and stderr; overwritten.
        step: named in errors.
        deadline_s: seconds after which it is stopped.
        expected: files, relative to `cwd`, that it must have written.
        env: added to this process's environment, from which Prefect's variables are removed.
        on_line: called with each non-blank line, up to half a second after it was printed.
        stall_s: seconds without any output after which it is stopped.

    Raises:
        ToolMissingError: the command cannot be started.
        ToolTimeoutError: it was stopped at its deadline, or had stalled.
        ToolError: its exit status is not 0, or an expected file was not written by this run.
    """
    name = Path(argv[0]).name
    outputs = {path: _identity(cwd / path) for path in expected}
    run = supervise(
        name,
        argv,
        cwd=cwd,
        log=log,
        step=step,
        deadline_s=deadline_s,
        env=env,
        on_line=on_line,
        stall_s=stall_s,
    )
    if run.returncode != 0:
        raise failure(name, run, cwd=cwd, step=step, cause=first_errors(log))
    missing = [path for path, before in outputs.items() if _identity(cwd / path) in (None, before)]
    if missing:
        names = ", ".join(map(str, missing))
        raise failure(
            name, run, cwd=cwd, step=step, cause=[f"did not write {names}", *first_errors(log)]
        )
    return run


def supervise(
    name: str,
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    step: str,
    deadline_s: float,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    stall_s: float | None = None,
    on_poll: Callable[[], bool] | None = None,
    told: int = logging.INFO,
) -> ToolRun:
    """Run a tool, called `name` in errors, to its end, whether or not it succeeds.

    Arguments and errors are those of `run_tool`, except for exit status and expected files.
    `on_poll` is called twice a second, to look for signs of progress other than output: it returns
    whether there were any, and stops the tool by raising. `told` is the level at which the tool's
    time and memory are logged.
    """
    start = last_output = time.monotonic()
    command = redact(shlex.join(map(str, argv)))
    _log.debug("%s: running %s in %s, log in %s", step, command, cwd, log)
    with contextlib.ExitStack() as stack:
        lifeline = stack.enter_context(guarded(argv, cwd=cwd, log=log, env=env))
        lines = stack.enter_context(LogLines(log, on_line))
        poller = select.poll()
        poller.register(lifeline, select.POLLIN)
        while not poller.poll(1000 * min(_POLL_S, deadline_s)):
            now = time.monotonic()
            printed, moved = lines.read(), on_poll() if on_poll is not None else False
            if printed or moved:
                last_output = now
            if now - start > deadline_s:
                raise _stopped(name, f"did not end within {deadline_s:g} s", step, log)
            if stall_s is not None and now - last_output > stall_s:
                raise _stopped(name, f"printed nothing for {stall_s:g} s", step, log)
        # A guard that was killed sends nothing; its tool ends with it.
        verdict, value = (lifeline.recv(256).decode() or f"{-signal.SIGKILL} 0").split()
        lines.finish()
    if verdict == "missing":
        raise ToolMissingError(
            f"{argv[0]} cannot be started: {os.strerror(int(value)).lower()}",
            where=step,
            remedy=f"install {name}, or put its directory on PATH; `overlayflow doctor` says how",
        )
    run = ToolRun(int(verdict), time.monotonic() - start, int(value), log)
    took = (step, name, run.seconds, run.peak_rss_bytes / 1e6)
    _log.log(told, "%s: %s took %.1f s and %.0f MB", *took)
    return run


@contextlib.contextmanager
def guarded(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    umask: int = -1,
) -> Iterator[socket.socket]:
    """Start a command under guard.py, and stop its process tree when the block ends in any way.

    Arguments as for `supervise`, and the command's file mode mask. The yielded socket becomes
    readable when the command has ended.
    """
    ours, theirs = socket.socketpair()
    with ours:  # closing it stops the tree, however the block ends
        log.write_bytes(b"")
        with theirs, log.open("ab") as output:
            guard = subprocess.Popen(
                [
                    *(sys.executable, "-S", "-I", _GUARD),
                    *(str(theirs.fileno()), str(_GRACE_S), *argv),
                ],
                cwd=cwd,
                env=_environment(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                umask=umask,
                start_new_session=True,  # Prefect's worker kills its group; not the guard
            )
        try:
            yield ours
        finally:
            with contextlib.suppress(OSError):  # the guard has ended
                ours.shutdown(socket.SHUT_WR)
            try:
                guard.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                guard.kill()
                guard.wait()


def _environment(env: Mapping[str, str] | None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        # Tools dump their environment into logs; none needs Prefect's keys.
        if not name.startswith("PREFECT_") and name != "LANGUAGE"
    }
    return kept | {"LC_ALL": "C.UTF-8"} | dict(env or {})


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what changes with every write to a file, whatever its file system's clock."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def _stopped(name: str, what: str, step: str, log: Path) -> ToolTimeoutError:
    return ToolTimeoutError(
        f"{name} {what} and was stopped",
        where=step,
        remedy="see in the log what it waited for, or give it more time",
        log=log,
    )


def failure(name: str, run: ToolRun, *, cwd: Path, step: str, cause: list[str]) -> ToolError:
    """Return the error for a run that failed: what happened, why, and what to do about it."""
    number = _signal_number(run.returncode)
    text = redact("\n".join(cause))
    remedy = ""
    how = f"failed with exit status {run.returncode}"
    if run.returncode == 0:
        how = "did not do its work, although its exit status is 0"
    elif run.returncode == -signal.SIGKILL:
        how = "was killed (SIGKILL), out of memory?"
    elif number:
        how = f"was ended by {number.name}" if run.returncode < 0 else f"{how} ({number.name})"
    full = DISK_FULL.search(text) or _is_full(cwd)
    if full:
        remedy = f"the disk of {cwd} is full: free space, e.g. by `overlayflow store prune`"
    elif number == signal.SIGKILL or NO_MEMORY.search(text):
        held = run.peak_rss_bytes / 2**30
        remedy = (
            f"its processes held up to {held:.1f} GiB: close other programs, "
            "add memory or swap, or run fewer jobs"
        )
    elif number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        remedy = "it was ended from outside: run it again"
    elif number:
        remedy = "the tool itself crashed: run it again; if that happens again, tell its vendor"
    kind = DiskFullError if full else ToolError
    return kind(
        "\n    ".join([f"{name} {how}", *filter(None, text.split("\n"))]),
        where=step,
        remedy=remedy,
        returncode=run.returncode,
        log=run.log,
    )


def _is_full(directory: Path) -> bool:
    try:
        return shutil.disk_usage(directory).free < _DISK_FULL_BYTES
    except OSError:  # the tool removed it
        return False


def _signal_number(returncode: int) -> signal.Signals | None:
    """Return the signal that an exit status reports, also one that a shell passes on."""
    try:
        return signal.Signals(returncode - _SHELL if returncode > _SHELL else -returncode)
    except ValueError:
        return None
