"""Runs programs on the board, with live output and a deadline, and makes sure that they end.

board/guard.py runs them on the board. It ends the program and all that it started if this side
cancels, loses the connection or dies, and at the deadline.
"""

import codecs
import contextlib
import json
import logging
import select
import shlex
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import paramiko

from board.guard import DEADLINE
from tasks.boards.python import AfterMark, ask, start
from tasks.boards.ssh import Connection, Finished, connect, exit_status
from tasks.core.errors import BenchmarkError, BoardError, LoginError

logger = logging.getLogger(__name__)

# A cancelled program first loses its standard input, then gets SIGTERM, then SIGKILL.
LIFELINE_GRACE_S = 5.0
TERM_GRACE_S = 3.0
# The guard needs these and a moment to end a program. If it is silent longer, the link is dead.
_GUARD_LATE_S = 4.0
_POLL_MS = 500
_STDERR_LINES = 40
_RECONNECT_S = 5.0


@dataclass(frozen=True)
class Program:
    """A program to run on the board.

    Attributes:
        argv: program and arguments.
        directory: absolute working directory, which is not pruned meanwhile.
        environment: added to that of the SSH session.
        profile: a bash file to source first if it exists, e.g. PYNQ's
            /etc/profile.d/pynq_venv.sh.
        root: whether to run it as root, through sudo with the password of the address.
    """

    argv: tuple[str, ...]
    directory: str
    environment: Mapping[str, str] = field(default_factory=dict)
    profile: str | None = None
    root: bool = False


def run(
    connection: Connection,
    program: Program,
    *,
    deadline_s: float,
    on_line: Callable[[str], None],
) -> Finished:
    """Run a program on the board to its end.

    Args:
        connection: to the board.
        program: what to run.
        deadline_s: time after which it is ended.
        on_line: called with each line of its standard output as it arrives.

    Returns:
        The exit status and the last lines of standard error; standard output went to `on_line`.

    Raises:
        BenchmarkError: it did not end before its deadline.
        BoardUnreachableError: the connection was lost.
        LoginError: sudo refused.
    """
    pid_file = f"{program.directory}/.run-{uuid.uuid4().hex}.pid"
    started = time.monotonic()
    channel, heard = _start(connection, program, pid_file, deadline_s)
    try:
        stderr = _follow(channel, heard, on_line, until=started + deadline_s + _stop_s())
        with connection.reaching(f"running {program.argv[0]}"):
            status = exit_status(channel)
    except BaseException:
        _stop(connection, channel, pid_file, root=program.root)
        raise
    finally:
        channel.close()
    if status == DEADLINE and time.monotonic() - started >= deadline_s:
        raise BenchmarkError(
            f"{program.argv[0]} did not end within {deadline_s:g} s and was stopped\n{stderr}",
            where=connection.address.label,
            remedy="allow it more time, or see its last messages",
        )
    return Finished(status, "", stderr)


def json_lines(
    on_record: Callable[[dict[str, Any]], None], on_text: Callable[[str], None]
) -> Callable[[str], None]:
    """Return an `on_line` for programs that print one JSON object per line, or text."""

    def on_line(line: str) -> None:
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            on_record(record)
        else:
            on_text(line)

    return on_line


def _start(
    connection: Connection, program: Program, pid_file: str, deadline_s: float
) -> tuple[paramiko.Channel, AfterMark]:
    prefix, password = sudo(connection) if program.root else ([], b"")
    command = shlex.join([*prefix, *program.argv])
    logger.debug("board %s: running %s in %s", connection.address.name, command, program.directory)
    spec = {
        "argv": program.argv,
        "directory": program.directory,
        # The user could not prune bytecode that root writes into the package.
        "environment": {"PYTHONDONTWRITEBYTECODE": "1", **program.environment},
        "profile": program.profile,
        "pid_file": pid_file,
        "deadline_s": deadline_s,
        "lifeline_grace_s": LIFELINE_GRACE_S,
        "term_grace_s": TERM_GRACE_S,
    }
    return start(connection, "guard", spec, prefix=prefix, stdin=password)


def _stop_s() -> float:
    """Return the longest time that the guard takes to end a program."""
    return LIFELINE_GRACE_S + TERM_GRACE_S + _GUARD_LATE_S


def sudo(connection: Connection) -> tuple[list[str], bytes]:
    """Return the prefix that runs a command as root, and the standard input for sudo.

    Raises:
        LoginError: sudo refused.
    """
    if connection.address.user == "root":
        return [], b""
    password = connection.address.password
    argv = ["sudo", "-n", "--"] if password is None else ["sudo", "-S", "-p", "", "--"]
    line = b"" if password is None else f"{password.get_secret_value()}\n".encode()
    # Tried first with a closed input, because sudo asks again after a wrong password.
    tried = connection.execute([*argv, "true"], stdin=line)
    if tried.status != 0:
        raise LoginError(
            f"sudo refused: {tried.stderr.strip()}",
            where=connection.address.label,
            remedy="programming the fabric needs root: check the board's password, and that its "
            "user may use sudo",
        )
    return argv, line


def _follow(
    channel: paramiko.Channel, heard: AfterMark, on_line: Callable[[str], None], *, until: float
) -> str:
    """Read output until the program ends or `until`; return the tail of standard error."""
    stdout, stderr = _Lines(), _Lines()
    errors: deque[str] = deque(maxlen=_STDERR_LINES)
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    while True:
        # Asked before the reads, so that all output before the end is read.
        ended, exited = channel.eof_received or channel.closed, channel.exit_status_ready()
        if channel.recv_ready():
            _deliver(stdout.feed(heard(channel.recv(65536))), on_line)
        elif channel.recv_stderr_ready():
            _deliver(stderr.feed(channel.recv_stderr(65536)), errors.append)
        elif ended or time.monotonic() > until:
            break
        elif not poll.poll(_POLL_MS) and exited:
            break  # a process that left the program's group keeps its output open
    _deliver(stdout.rest(), on_line)
    _deliver(stderr.rest(), errors.append)
    return "\n".join(errors)


def _deliver(lines: Iterator[str], to: Callable[[str], None]) -> None:
    for line in lines:
        to(line)


class _Lines:
    """Assembles lines from bytes as they arrive."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._begun = ""

    def feed(self, data: bytes) -> Iterator[str]:
        *lines, self._begun = (self._begun + self._decoder.decode(data)).split("\n")
        return iter(lines)

    def rest(self) -> Iterator[str]:
        """Return the last line if it is unterminated."""
        return iter([self._begun] if self._begun else [])


def _stop(connection: Connection, channel: paramiko.Channel, pid_file: str, *, root: bool) -> None:
    """End the program through its lifeline, or over a new connection."""
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        channel.shutdown_write()
        if channel.status_event.wait(_stop_s()) and channel.exit_status != -1:
            return
    connection.doubt()
    try:
        with connect(connection.address, timeout_s=_RECONNECT_S) as fresh:
            prefix, password = sudo(fresh) if root else ([], b"")
            spec = {"stop": pid_file, "within_s": LIFELINE_GRACE_S + TERM_GRACE_S}
            ask(fresh, "guard", spec, prefix=prefix, stdin=password)
    except BoardError as error:
        logger.warning(
            "%s: the program could not be ended (%s); it ends when the board notices that its "
            "session is gone, at the latest at its deadline",
            connection.address.label,
            error.what,
        )
