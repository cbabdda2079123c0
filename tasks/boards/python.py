"""Programs of ours on a board: sent over standard input, with answers that are marked.

The command line is short and means the same to every shell and server: dropbear ends a connection
at commands above 9,000 bytes, and tcsh takes no line breaks in quotes. Whatever a user's ~/.bashrc
prints comes before the mark, and is skipped. Python finds no module in the current directory, nor
in the user's own: somebody else's json.py there would run, as root at that.
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
# With site packages and PYTHONPATH, by which a twin's Python is one of a board.
WITH_SITE = ("-s",)

_FIRST = "overlay=1;"
# Runs the first line that is ours: sudo leaves a password in front of it that it has not asked for.
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
    """What a program says, without what came before its mark.

    Attributes:
        mark: that the program begins with.
        before: what came before.
    """

    mark: bytes
    before: bytes = b""
    _found: bool = field(default=False, init=False)

    def __call__(self, data: bytes) -> bytes:
        """Return the part of the next bytes that the program has said."""
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
        request: for it, as JSON.
        flags: of Python.
        prefix: what comes before the command, such as sudo.
        stdin: what the prefix reads.

    Returns:
        The channel, and what to put its output through.
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
    """Run a module of `board` on the board to its end; arguments as of `start`.

    Args:
        connection: to the board.
        name: of the module.
        request: for it.
        flags: of Python.
        prefix: what comes before the command.
        stdin: what the prefix reads.
        payload: what the module reads from standard input.
        silence_s: give up when it says nothing for so long.
    """
    heard = AfterMark(uuid.uuid4().hex.encode())
    done = connection.execute(
        [*prefix, *_command(flags)],
        stdin=stdin + _program(name, request, heard.mark) + payload,
        silence_s=silence_s,
    )
    return Finished(done.status, heard(done.stdout.encode()).decode(), done.stderr)


def answer(connection: Connection, done: Finished) -> dict[str, Any]:
    """Return the JSON object that a program has printed last.

    Raises:
        BoardError: there is none.
    """
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise no_answer(connection, done.status, done.stderr) from None
    return found


def no_answer(connection: Connection, status: int, said: str) -> BoardError:
    """Return the error for a program of ours that did not answer."""
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
