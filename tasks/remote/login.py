"""Logging in to a board: key file, SSH agent, password, in this order."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from tasks.errors import LoginError
from tasks.remote.address import BoardAddress
from tasks.remote.failures import reason, unreachable


def log_in(transport: paramiko.Transport, address: BoardAddress) -> None:
    """Tries every way to log in that the address allows, the most specific first.

    Raises:
        LoginError: the board refused them all, or the key file cannot be used.
        BoardUnreachableError: the connection was lost, or the board did not answer.
    """
    refused: list[str] = []
    with contextlib.closing(paramiko.Agent()) as agent:
        for method, attempt in _attempts(transport, address, agent):
            try:
                attempt()
            except (paramiko.SSHException, EOFError) as error:
                _raise_if_lost(transport, address, error, refused=refused)
            if transport.is_authenticated():
                return
            refused.append(method)
            # Servers hang up after a number of refusals (OpenSSH: six).
            if not transport.is_active():
                break
    raise LoginError(
        f"refused {', '.join(refused)}" if refused else "no key and no password to log in with",
        where=address.label,
        remedy="check the user, key and password of the board; PYNQ images come with xilinx/xilinx",
    )


def _raise_if_lost(
    transport: paramiko.Transport, address: BoardAddress, error: Exception, *, refused: list[str]
) -> None:
    # paramiko has no class of its own for a login that got no answer.
    silent = str(error).startswith("Authentication timeout")
    if silent or (not refused and not transport.is_active()):
        raise unreachable(address.label, f"lost during login: {reason(error)}") from error


def _attempts(
    transport: paramiko.Transport, address: BoardAddress, agent: paramiko.Agent
) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    def offer(key: paramiko.PKey) -> Callable[[], list[str]]:
        return lambda: transport.auth_publickey(address.user, key)

    if address.key_file is not None:
        yield f"the key {address.key_file}", offer(_load_key(address.key_file))
    if address.use_agent:
        for key in agent.get_keys():
            yield "a key of the SSH agent", offer(key)
    if address.password is not None:
        secret = address.password.get_secret_value()
        yield "the password", lambda: transport.auth_password(address.user, secret)


def _load_key(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    # TypeError is what cryptography raises when a passphrase is missing.
    except (OSError, ValueError, TypeError, paramiko.SSHException, UnknownKeyType) as error:
        raise LoginError(
            f"the key file cannot be used: {reason(error)}",
            where=str(path),
            remedy="a key with a passphrase belongs in the SSH agent: ssh-add, then use_agent",
        ) from error
