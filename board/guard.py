"""Runs one program on the board in its own process group, and makes sure that it ends.

The host sends this file's text and SPEC, which is JSON, over standard input (see
tasks/boards/python.py). The rest of standard input is the lifeline: when it ends, because the host
cancels or its session died, the program and all processes that it started are ended. The same
happens at the deadline.

SPEC of a run: argv; directory, the working directory; environment, added to the session's; profile,
a bash file to source first if it exists, or null; pid_file; deadline_s; lifeline_grace_s and
term_grace_s, the seconds that the program has to end after its standard input has ended, and then
after SIGTERM. While the program runs, a shared flock on its directory keeps it from being pruned.
The exit status is the program's, 128 + n if signal n killed it, or one of the constants below.

SPEC to end a run from another SSH session: stop, the run's pid file; within_s, after which it is
killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

DEADLINE = 124
NOT_STARTED = 127
STOPPED = 143
SOURCED = '[ -r "$0" ] && . "$0"; exec "$@"'


def main() -> int:
    """Run or stop, as SPEC says."""
    spec = json.loads(sys.argv[1])
    if "stop" in spec:
        return stop(spec["stop"], spec["within_s"])
    guard = os.fork()
    if guard == 0:
        # A new session: some SSH servers kill all processes of their session at once, which must
        # not include the guard, as it has to end the program.
        os.setsid()
        os._exit(run(spec))
    status = os.waitpid(guard, 0)[1]
    if os.WIFSIGNALED(status):
        stop(spec["pid_file"], 0)
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def run(spec: dict[str, Any]) -> int:
    """Run the program to its end."""
    wakeup = _wake_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    try:
        program = _start(spec)
    except OSError as error:
        sys.stderr.write(f"cannot start {spec['argv'][0]} in {spec['directory']}: {error}\n")
        sys.stderr.flush()
        return NOT_STARTED
    try:
        _write_pid_file(spec["pid_file"], program.pid)
        status = _wait(program, wakeup, spec["deadline_s"])
        if status is not None:
            _end(program, spec["lifeline_grace_s"], spec["term_grace_s"])
    except OSError as error:
        sys.stderr.write(f"cannot watch {spec['argv'][0]}: {error}\n")
        sys.stderr.flush()
        status = NOT_STARTED
    finally:
        # Kills what the program left behind, too. Its zombie keeps the group's number in use.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        with contextlib.suppress(OSError):
            Path(spec["pid_file"]).unlink()
    if status is not None:
        return status
    return program.returncode if program.returncode >= 0 else 128 - program.returncode


def stop(pid_file: str, within_s: float) -> int:
    """End the run that wrote `pid_file`, unless it has ended."""
    try:
        record = json.loads(Path(pid_file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    if _started(record["guard"]) == record["guard_started"]:
        os.kill(record["guard"], signal.SIGTERM)
        deadline = time.monotonic() + within_s
        while _started(record["guard"]) and time.monotonic() < deadline:
            time.sleep(0.05)
    if _started(record["group"]) == record["group_started"]:
        os.killpg(record["group"], signal.SIGKILL)
    with contextlib.suppress(FileNotFoundError):
        Path(pid_file).unlink()
    return 0


def _wake_on(*signals: signal.Signals) -> int:
    """Return a file descriptor from which the numbers of received signals can be read."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in signals:
        signal.signal(number, lambda _number, _frame: None)
    return reader


def _start(spec: dict[str, Any]) -> subprocess.Popen[bytes]:
    argv = spec["argv"]
    if spec["profile"]:
        argv = ["bash", "-c", SOURCED, spec["profile"], *argv]
    in_use = os.open(spec["directory"], os.O_RDONLY)
    fcntl.flock(in_use, fcntl.LOCK_SH)
    return subprocess.Popen(
        argv,
        cwd=spec["directory"],
        env={**os.environ, **spec["environment"]},
        stdin=subprocess.PIPE,
        start_new_session=True,
        pass_fds=[in_use],
    )


def _write_pid_file(path: str, group: int) -> None:
    record = {
        "guard": os.getpid(),
        "guard_started": _started(os.getpid()),
        "group": group,
        "group_started": _started(group),
    }
    aside = Path(path + ".part")
    aside.write_text(json.dumps(record), encoding="utf-8")
    aside.replace(path)


def _started(pid: int) -> str | None:
    """Return when the process started, which tells it from a later one with the same pid."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may contain anything; state is field 3, the start time field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _wait(program: subprocess.Popen[bytes], wakeup: int, deadline_s: float) -> int | None:
    """Wait; return None when the program has ended, or the status to report if it must be ended."""
    deadline = time.monotonic() + deadline_s
    while not _has_ended(program):
        left = deadline - time.monotonic()
        if left <= 0:
            return DEADLINE
        readable, _, _ = select.select([0, wakeup], [], [], left)
        if wakeup in readable and set(os.read(wakeup, 4096)) - {signal.SIGCHLD}:
            return STOPPED
        if 0 in readable and not os.read(0, 4096):
            return STOPPED
    return None


def _has_ended(program: subprocess.Popen[bytes]) -> bool:
    """Return whether the program has ended, without reaping it."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, program.pid, flags) is not None


def _end(program: subprocess.Popen[bytes], lifeline_grace_s: float, term_grace_s: float) -> None:
    """Let the program end by itself, then send SIGTERM."""
    if program.stdin is not None:
        program.stdin.close()
    if not _ends_within(program, lifeline_grace_s):
        os.killpg(program.pid, signal.SIGTERM)
        _ends_within(program, term_grace_s)


def _ends_within(program: subprocess.Popen[bytes], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not _has_ended(program) and time.monotonic() < deadline:
        time.sleep(0.05)
    return _has_ended(program)


if __name__ == "__main__":
    sys.exit(main())
