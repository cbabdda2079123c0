"""Logs in to a board with key file, SSH agent and password, in this order."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from tasks.boards.address import SshHost
from tasks.boards.failures import reason, unreachable
from tasks.core.errors import LoginError

Attempt = Callable[[paramiko.Transport], list[str]]


def attempts(address: SshHost) -> Iterator[tuple[str, Attempt]]:
    """Yield the ways to log in that the address allows, each with its name for messages.

    Raises:
        LoginError: the key file cannot be used.
    """
    if address.key_file is not None:
        yield f"the key {address.key_file}", _with_key(address.user, _load_key(address.key_file))
    if address.use_agent:
        with contextlib.closing(paramiko.Agent()) as agent:
            for key in agent.get_keys():
                yield "a key of the SSH agent", _with_key(address.user, key)
    if address.password is not None:
        secret = address.password.get_secret_value()
        yield "the password", lambda transport: transport.auth_password(address.user, secret)


def accepts(transport: paramiko.Transport, attempt: Attempt, where: str) -> bool:
    """Try one way to log in.

    Raises:
        BoardUnreachableError: the connection was lost, or the board did not answer.
    """
    try:
        attempt(transport)
    except (paramiko.SSHException, EOFError) as error:
        # paramiko has no separate exception for a login without an answer.
        silent = str(error).startswith("Authentication timeout")
        if silent or not transport.is_active():
            raise unreachable(where, f"lost during login: {reason(error)}") from error
    return transport.is_authenticated()


def refused(names: list[str], where: str) -> LoginError:
    """Return the error for a login whose attempts all failed."""
    return LoginError(
        f"refused {', '.join(names)}" if names else "no key and no password to log in with",
        where=where,
        remedy="check the user, key and password of the board; PYNQ images come with xilinx/xilinx",
    )


def _with_key(user: str, key: paramiko.PKey) -> Attempt:
    return lambda transport: transport.auth_publickey(user, key)


def _load_key(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    # cryptography raises TypeError if a passphrase is missing.
    except (OSError, ValueError, TypeError, paramiko.SSHException, UnknownKeyType) as error:
        raise LoginError(
            f"the key file cannot be used: {reason(error)}",
            where=str(path),
            remedy="a key with a passphrase belongs in the SSH agent: ssh-add, then use_agent",
        ) from error
