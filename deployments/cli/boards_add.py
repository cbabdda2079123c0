"""overlayflow boards add: a person confirms the host key, then it is pinned."""

import getpass
import shlex
import sys
from argparse import Namespace
from collections.abc import Iterator

from pydantic import SecretStr

from tasks.boards.address import BoardAddress, HostKey, SshHost
from tasks.boards.ssh import connect, fetch_host_key
from tasks.core.errors import HostKeyError, InputError
from tasks.core.records.base import Record
from tasks.orchestration import board_block


class ShownBoard(Record):
    """A board as people see it: no secrets.

    Attributes:
        where: user@host:port.
        login: how it is logged into.
        fingerprint: of the pinned host key.
        jump: user@host:port of the jump host; empty without one.
        meter: command of its power meter; empty without one.
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
        """What there is to tell, each with its name."""
        for name in ("name", "kind", "where", "login", "fingerprint", "jump", "meter"):
            yield name, getattr(self, name)
        yield "tags", " ".join(self.tags)


def shown(address: BoardAddress) -> ShownBoard:
    """What may be shown of a board."""
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
    """Confirm, pin, log in once, save.

    Raises:
        HostKeyError: the key is not the one that was expected, or was not confirmed.
        InputError: there is such a board, or something is wrong with the arguments.
        BoardError: the board cannot be reached or logged into.
    """
    board = BoardAddress(
        name=arguments.name,
        kind=arguments.kind,
        host=arguments.host,
        port=arguments.port,
        user=arguments.user,
        key_file=arguments.key.expanduser().absolute() if arguments.key else None,
        use_agent=arguments.agent,
        tags=tuple(arguments.tag),
        meter=_meter(arguments.meter or ""),
    )
    board_block.refuse_new(board)
    jump = _jump(arguments, board) if arguments.jump else None
    key = fetch_host_key(board.host, board.port, jump=jump)
    _confirm(arguments, board.label, key)
    pinned = board.model_copy(
        update={"host_key": key.line, "jump": jump, "password": _password(arguments)}
    )
    with connect(pinned):
        pass  # whoever cannot log in now cannot later
    board_block.add(pinned)
    return shown(pinned), (
        f"{pinned.label} is added; see what it has with: overlayflow boards check {pinned.name}"
    )


def _meter(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise InputError(
            f"{command!r} is no command: {str(error).lower()}",
            where="--meter",
            remedy="write it as for a shell, which it never sees: quotes come in pairs",
        ) from error


def _jump(arguments: Namespace, board: BoardAddress) -> SshHost:
    user, at, rest = arguments.jump.rpartition("@")
    host, _, port = rest.partition(":")
    if not (user and at and host and (port or "22").isdigit()):
        raise InputError(f"{arguments.jump!r} is not of the form USER@HOST[:PORT]", where="--jump")
    jump = SshHost(
        host=host,
        port=int(port or 22),
        user=user,
        key_file=board.key_file,
        use_agent=board.use_agent,
    )
    key = fetch_host_key(jump.host, jump.port)
    _confirm(arguments, f"jump host {jump.label}", key)
    return jump.model_copy(update={"host_key": key.line})


def _confirm(arguments: Namespace, label: str, key: HostKey) -> None:
    """A person, or the command line, says that the key is the right one."""
    if arguments.fingerprint:
        if key.fingerprint not in arguments.fingerprint:
            raise HostKeyError(
                f"it shows {key.fingerprint}, not {' or '.join(arguments.fingerprint)}",
                where=label,
                remedy="this is another machine, or it was installed anew: nothing was saved",
            )
        return
    print(f"{label} shows the host key {key.fingerprint} ({key.algorithm})", file=sys.stderr)
    if arguments.yes:
        return
    if not sys.stdin.isatty() or arguments.password_stdin:
        raise InputError(
            "nobody is there to confirm the host key",
            where=label,
            remedy=f"--fingerprint {key.fingerprint}, if that is what the board itself says: "
            "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        )
    print("Is it the board's own? Type yes to pin it: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise HostKeyError("the host key was not confirmed; nothing was saved", where=label)


def _password(arguments: Namespace) -> SecretStr | None:
    if arguments.ask_password:
        return SecretStr(getpass.getpass(f"password of {arguments.user}@{arguments.host}: "))
    if arguments.password_stdin:
        return SecretStr(sys.stdin.readline().rstrip("\n"))
    return None
