"""One connection a board: who works with it at the same time in this process shares the login.

A lease, a transfer and a measurement are then channels of one SSH connection. What is dead is never
shared, nor is what left a question unanswered: after a failure, whoever tries again logs in anew.
A login that is refused a further channel is not shared any more, either.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import paramiko

from tasks.boards.address import BoardAddress, SshHost

# OpenSSH takes ten sessions on a connection; each user has up to two at a time.
_MOST_USERS = 5


@dataclass(eq=False)
class Login:
    """A connection that is logged in.

    Attributes:
        account: where, and as whom.
        doubtful: whether something went unanswered on it, or was refused.
    """

    account: tuple[SshHost, SshHost | None]
    transport: paramiko.Transport
    opened: contextlib.ExitStack
    users: int = 1
    doubtful: bool = False

    def takes_another(self) -> bool:
        """Whether one more can work with it."""
        return self.transport.is_active() and not self.doubtful and self.users < _MOST_USERS

    def session(self, answer_s: float) -> paramiko.Channel:
        """A new channel; it waits for answers so long. Raises as paramiko does."""
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
    """A login at a board, the one that is open or a new one; its last user closes it.

    Args:
        address: of the board.
        log_in: makes a new one.
        alone: take a new one in any case.
    """
    # Everything that decides who is let in, and nothing else: neither name nor directory.
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
    # Outside of the lock, which other boards need: two who come at once may both log in.
    with contextlib.ExitStack() as stack:
        transport = stack.enter_context(log_in())
        login = Login(account, transport, stack.pop_all())
    with _lock:
        _logins.append(login)
    return login
