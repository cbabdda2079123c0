"""Runs our Python programs on a board: sends them over standard input, and marks their output.

The command line is short and works in every shell and server: dropbear drops connections at
commands above 9,000 bytes, and tcsh allows no line breaks in quotes. What a user's ~/.bashrc prints
comes before the mark and is skipped. Python imports nothing from the current directory or the
user's own, where a stranger's json.py would run, possibly as root.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import paramiko

from tasks.boards.ssh import Connection, Finished
from tasks.core.errors import BoardError

# It starts in half the time.
ISOLATED = ("-I", "-S")
# With site packages and PYTHONPATH, which make a twin's Python a board's.
WITH_SITE = ("-s",)

_FIRST = "overlay=1;"
# Runs the first line that is ours: sudo leaves a password that it did not need in front of it.
_BOOT = (
    "import sys;sys.path[:]=filter(None,sys.path);"
    f'exec(next(l for l in open(0,"rb",0,closefd=False)if l[:{len(_FIRST)}]==b"{_FIRST}"))'
)
_LOADER = """
import os
sent = b""
while len(sent) < {size}:
    part = os.read(0, {size} - len(sent))
    if not part:
        sys.exit(9)
    sent += part
sys.argv = ["-c", sent[{program}:].decode()]
os.write(1, b"\\n{mark}\\n")
exec(compile(sent[:{program}], "{name}", "exec"))
"""
_SHOWN = 500
_KEPT = 1 << 16


@dataclass
class AfterMark:
    """Filters the output of a program: drops everything before its mark.

    Attributes:
        mark: beginning of the program's output.
        before: output before the mark.
    """

    mark: bytes
    before: bytes = b""
    _found: bool = field(default=False, init=False)

    def __call__(self, data: bytes) -> bytes:
        """Return the part of the next bytes that comes after the mark."""
        if self._found:
            return data
        self.before, mark, rest = (self.before + data).partition(b"\n" + self.mark + b"\n")
        self._found = bool(mark)
        self.before = self.before[-_KEPT:]
        return rest


def start(
    connection: Connection,
    name: str,
    request: object,
    *,
    flags: Sequence[str] = ISOLATED,
    prefix: Sequence[str] = (),
    stdin: bytes = b"",
) -> tuple[paramiko.Channel, AfterMark]:
    """Start a module of `board` on the board; its standard input stays open.

    Args:
        connection: to the board.
        name: of the module, which reads its request from sys.argv[1].
        request: JSON value for the module.
        flags: for Python.
        prefix: command that runs Python, such as sudo.
        stdin: input for the prefix.

    Returns:
        The channel, and a filter for its output.
    """
    heard = AfterMark(uuid.uuid4().hex.encode())
    channel = connection.start([*prefix, *_command(flags)])
    with connection.reaching(f"sending {name} to the board"):
        channel.sendall(stdin + _program(name, request, heard.mark))
    return channel, heard


def ask(
    connection: Connection,
    name: str,
    request: object,
    *,
    flags: Sequence[str] = ISOLATED,
    prefix: Sequence[str] = (),
    stdin: bytes = b"",
    payload: bytes = b"",
    silence_s: float = 30.0,
) -> Finished:
    """Run a module of `board` on the board to its end.

    Args:
        connection: as in `start`.
        name: as in `start`.
        request: as in `start`.
        flags: as in `start`.
        prefix: as in `start`.
        stdin: as in `start`.
        payload: the module's standard input.
        silence_s: give up after this time without output.
    """
    heard = AfterMark(uuid.uuid4().hex.encode())
    done = connection.execute(
        [*prefix, *_command(flags)],
        stdin=stdin + _program(name, request, heard.mark) + payload,
        silence_s=silence_s,
    )
    return Finished(done.status, heard(done.stdout.encode()).decode(), done.stderr)


def answer(connection: Connection, done: Finished) -> dict[str, Any]:
    """Return the JSON object that a program printed last.

    Raises:
        BoardError: there is none.
    """
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise no_answer(connection, done.status, done.stderr) from None
    return found


def no_answer(connection: Connection, status: int, said: str) -> BoardError:
    """Return the error for one of our programs that did not answer."""
    return BoardError(
        f"python3 on the board failed with status {status}: {said.strip()[-_SHOWN:]}",
        where=connection.address.label,
        remedy="the board needs python3, 3.8 or later, and a shell that runs commands",
    )


def _command(flags: Sequence[str]) -> list[str]:
    return ["python3", *flags, "-c", _BOOT]


def _program(name: str, request: object, mark: bytes) -> bytes:
    program = resources.files("board").joinpath(f"{name}.py").read_bytes()
    sent = program + json.dumps(request).encode()
    loader = _LOADER.format(
        size=len(sent), program=len(program), mark=mark.decode(), name=f"board/{name}.py"
    )
    return f"{_FIRST}exec({loader!r})\n".encode() + sent
