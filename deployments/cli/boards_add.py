"""overlayflow boards add: confirm and pin a board's host key, then save the board."""

import getpass
import re
import shlex
import sys
from argparse import Namespace
from collections.abc import Iterator

from pydantic import SecretStr, ValidationError

from tasks.boards.address import BoardAddress, HostKey, SshHost
from tasks.boards.ssh import connect, fetch_host_key
from tasks.core.errors import HostKeyError, InputError
from tasks.core.records.base import Record, mistakes
from tasks.orchestration import board_block

FACTORY_USER = "xilinx"
# As for ssh -J; an IPv6 address without brackets has no port.
_JUMP = re.compile(
    r"(?P<user>[^@]+)@(?P<host>\[[^\]@]+\]|[^:@\[\]]+|[^@\[\]]*:[^@\[\]]*:[^@\[\]]*?)"
    r"(?::(?P<port>\d+))?"
)


class ShownBoard(Record):
    """A board without its secrets, for display.

    Attributes:
        where: user@host:port.
        login: ways to log in.
        fingerprint: fingerprint of the pinned host key.
        jump: user@host:port of the jump host; empty without one.
        meter: command of the power meter; empty without one.
    """

    name: str
    kind: str
    where: str
    login: str
    fingerprint: str
    tags: tuple[str, ...]
    jump: str
    meter: str

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield the name and value of each fact."""
        for name in ("name", "kind", "where", "login", "fingerprint", "jump", "meter"):
            yield name, getattr(self, name)
        yield "tags", " ".join(self.tags)


def shown(address: BoardAddress) -> ShownBoard:
    """Return what may be shown of a board."""
    ways = {
        f"key {address.key_file}": address.key_file is not None,
        "SSH agent": address.use_agent,
        "password": address.password is not None,
    }
    return ShownBoard(
        name=address.name,
        kind=address.kind,
        where=f"{address.user}@{address.host}:{address.port}",
        login=", ".join(way for way, there in ways.items() if there),
        fingerprint=HostKey.parse(address.host_key).fingerprint if address.host_key else "",
        tags=address.tags,
        jump=address.jump.label if address.jump else "",
        meter=shlex.join(address.meter),
    )


def add_board(arguments: Namespace) -> tuple[ShownBoard, str]:
    """Confirm and pin the host key, log in once, and save the board.

    Raises:
        HostKeyError: the key is not the expected one, or it was not confirmed.
        InputError: the board exists already, or an argument is invalid.
        BoardError: the board cannot be reached, or the login failed.
    """
    board = _address(arguments)
    board_block.refuse_new(board)
    jump = _jump(arguments, board) if arguments.jump else None
    key = fetch_host_key(board.host, board.port, jump=jump)
    _confirm(arguments, board.label, key, ("--fingerprint", arguments.fingerprint))
    pinned = board.model_copy(
        update={"host_key": key.line, "jump": jump, "password": _password(arguments, board)}
    )
    with connect(pinned):
        pass  # a login that fails now would fail later
    board_block.add(pinned)
    return shown(pinned), (
        f"added {pinned.label}; check it with: overlayflow boards check {pinned.name}"
    )


def _meter(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise InputError(
            f"{command!r} is not a valid command: {str(error).lower()}",
            where="--meter",
            remedy="quote it as for a shell; each quote needs a closing one",
        ) from error


def _address(arguments: Namespace) -> BoardAddress:
    user, at, host = arguments.host.rpartition("@")
    if at and arguments.user not in {None, user}:
        raise InputError(
            f"--user {arguments.user} and --host {arguments.host} name two users",
            where="boards add",
            remedy="give the user once",
        )
    try:
        return BoardAddress(
            name=arguments.name,
            kind=arguments.kind,
            host=host,
            port=arguments.port,
            user=arguments.user or user or FACTORY_USER,
            key_file=arguments.key.expanduser().absolute() if arguments.key else None,
            use_agent=arguments.agent,
            tags=tuple(arguments.tag),
            meter=_meter(arguments.meter or ""),
        )
    except ValidationError as error:
        raise _refused(error, "boards add") from error


def _jump(arguments: Namespace, board: BoardAddress) -> SshHost:
    match = _JUMP.fullmatch(arguments.jump)
    if match is None:
        raise InputError(
            f"{arguments.jump!r} is not of the form USER@HOST[:PORT]",
            where="--jump",
            remedy="write an IPv6 address with a port in brackets: USER@[::1]:22",
        )
    try:
        jump = SshHost(
            host=match["host"],
            port=int(match["port"] or 22),
            user=match["user"],
            key_file=board.key_file,
            use_agent=board.use_agent,
        )
    except ValidationError as error:
        raise _refused(error, "--jump") from error
    key = fetch_host_key(jump.host, jump.port)
    expected = ("--jump-fingerprint", arguments.jump_fingerprint)
    _confirm(arguments, f"jump host {jump.label}", key, expected)
    return jump.model_copy(update={"host_key": key.line})


def _refused(error: ValidationError, where: str) -> InputError:
    return InputError(mistakes(error), where=where, remedy="overlayflow boards add --help")


def _confirm(
    arguments: Namespace, label: str, key: HostKey, expected: tuple[str, str | None]
) -> None:
    """Have the host key confirmed, by its own option, --yes or a person at the terminal."""
    option, fingerprint = expected
    if fingerprint:
        if key.fingerprint != fingerprint:
            raise HostKeyError(
                f"the host key is {key.fingerprint}, not {fingerprint}; nothing was saved",
                where=label,
                remedy="find out whether this is a different machine or it was reinstalled",
            )
        return
    print(f"{label} has the host key {key.fingerprint} ({key.algorithm})", file=sys.stderr)
    if arguments.yes:
        return
    if not sys.stdin.isatty() or arguments.password_stdin:
        raise InputError(
            "stdin is not a terminal; cannot confirm the host key",
            where=label,
            remedy=f"pass {option} {key.fingerprint} if it equals what the host prints for: "
            "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        )
    print("Type yes if this is the board's key: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise HostKeyError("the host key was not confirmed; nothing was saved", where=label)


def _password(arguments: Namespace, board: BoardAddress) -> SecretStr | None:
    if arguments.ask_password:
        return SecretStr(getpass.getpass(f"password of {board.user}@{board.host}: "))
    if arguments.password_stdin:
        return SecretStr(sys.stdin.readline().rstrip("\r\n"))
    return None
