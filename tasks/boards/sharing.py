"""Shares one login per board among its concurrent users in this process.

A lease, a transfer and a measurement are then channels of one SSH connection. A login that is dead,
left a request unanswered or was refused another channel is not shared any more: a retry logs in
again.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import paramiko

from tasks.boards.address import BoardAddress, SshHost

# OpenSSH allows ten sessions per connection; each user has up to two at a time.
_MOST_USERS = 5


@dataclass(eq=False)
class Login:
    """A logged-in connection.

    Attributes:
        account: host and user.
        doubtful: whether a request on it was unanswered or refused.
    """

    account: tuple[SshHost, SshHost | None]
    transport: paramiko.Transport
    opened: contextlib.ExitStack
    users: int = 1
    doubtful: bool = False

    def takes_another(self) -> bool:
        """Return whether another user can share it."""
        return self.transport.is_active() and not self.doubtful and self.users < _MOST_USERS

    def session(self, answer_s: float) -> paramiko.Channel:
        """Open a channel that waits `answer_s` for answers. Raises as paramiko does."""
        channel = self.transport.open_session(timeout=answer_s)
        channel.settimeout(answer_s)
        return channel


_lock = threading.Lock()
_logins: list[Login] = []


@contextlib.contextmanager
def shared(
    address: BoardAddress,
    log_in: Callable[[], AbstractContextManager[paramiko.Transport]],
    *,
    alone: bool = False,
) -> Iterator[Login]:
    """Share the open login at a board, or log in; the last user closes it.

    Args:
        address: of the board.
        log_in: logs in.
        alone: whether to log in again in any case.
    """
    # Everything that matters for logging in, but neither name nor directory.
    names = SshHost.model_fields
    account = SshHost(**{name: getattr(address, name) for name in names}), address.jump
    login = (None if alone else _join(account)) or _open(account, log_in)
    try:
        yield login
    finally:
        with _lock:
            login.users -= 1
            last = not login.users
            if last:
                _logins.remove(login)
        if last:
            login.opened.close()


def _join(account: tuple[SshHost, SshHost | None]) -> Login | None:
    with _lock:
        for login in _logins:
            if login.account == account and login.takes_another():
                login.users += 1
                return login
    return None


def _open(
    account: tuple[SshHost, SshHost | None],
    log_in: Callable[[], AbstractContextManager[paramiko.Transport]],
) -> Login:
    # Outside of the lock, which other boards need; concurrent users may both log in.
    with contextlib.ExitStack() as stack:
        transport = stack.enter_context(log_in())
        login = Login(account, transport, stack.pop_all())
    with _lock:
        _logins.append(login)
    return login
