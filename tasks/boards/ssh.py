"""Opens SSH connections to boards with pinned host keys, clear errors and dead-link detection."""

import contextlib
import logging
import shlex
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import paramiko

from tasks.boards.address import BoardAddress, HostKey, SshHost
from tasks.boards.failures import reason, unreachable
from tasks.boards.login import accepts, attempts, refused
from tasks.boards.sharing import Login, shared
from tasks.core.errors import BoardError, BoardUnreachableError, HostKeyError

# AES-GCM first: it needs no separate MAC, and one 64 MB upload takes 0.35 s with it and 0.5 to
# 0.6 s with AES-CTR and HMAC (bench/transfer.py). CBC and 3DES stay out.
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_KEEPALIVE_S = 5
# The kernel closes a connection on which the peer has acknowledged nothing for this time.
# paramiko's keepalives request no answer: it would wait for a vanished board forever.
_SILENCE_S = 20
# The most that may be queued in the kernel for a slow link: the lease's heartbeat waits behind it.
_UNSENT_BYTES = 1 << 17
_ANSWER_S = 30.0
_LOGIN_S = 60.0
# From the end of a program's output to its exit status.
_STATUS_S = 5.0
_PARAMIKO_LOG = f"{__name__}.paramiko"


@dataclass(frozen=True)
class Finished:
    """The result of a program that ran on the board."""

    status: int
    stdout: str
    stderr: str


class Connection:
    """A logged-in SSH connection to a board, opened by `connect`."""

    def __init__(self, address: BoardAddress, log_in: Callable[[bool], Login]) -> None:
        self.address = address
        self._log_in = log_in
        self._login = log_in(False)

    @contextlib.contextmanager
    def reaching(self, doing: str) -> Iterator[None]:
        """Convert paramiko's exceptions to this project's errors.

        Args:
            doing: what the block does, for the message.

        Raises:
            BoardUnreachableError: the connection is gone, or the board stopped answering.
            BoardError: the board answers but refused.
        """
        try:
            yield
        except TimeoutError as error:
            self.doubt()
            raise unreachable(self.address.label, f"no answer while {doing}") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            # Channels notice the end a moment before the transport reports it.
            self._login.transport.join(0.5)
            if not self._login.transport.is_active():
                raise unreachable(
                    self.address.label, f"the connection was lost while {doing}"
                ) from error
            raise BoardError(
                f"failed while {doing}: {reason(error)}", where=self.address.label
            ) from error

    def doubt(self) -> None:
        """Stop sharing this login, because something went wrong on it."""
        self._login.doubtful = True

    def start(self, argv: Sequence[str]) -> paramiko.Channel:
        """Start a program; its arguments reach it unchanged, whatever they contain."""
        with self.reaching(f"starting {argv[0]}"):
            channel = self._session()
            channel.exec_command(shlex.join(argv))
        return channel

    def _session(self) -> paramiko.Channel:
        """Open a session, on another login if this one has as many as the board allows."""
        with contextlib.suppress(paramiko.ChannelException):
            return self._login.session(_ANSWER_S)
        self.doubt()
        self._login = self._log_in(True)
        return self._login.session(_ANSWER_S)

    def execute(
        self, argv: Sequence[str], *, stdin: bytes = b"", silence_s: float = _ANSWER_S
    ) -> Finished:
        """Run a short program and collect its output.

        Args:
            argv: program and arguments, passed unchanged.
            stdin: the program's standard input.
            silence_s: give up after this time without output.
        """
        with contextlib.closing(self.start(argv)) as channel, self.reaching(f"running {argv[0]}"):
            channel.settimeout(silence_s)
            # A program may end before it has read everything.
            with contextlib.suppress(OSError):
                channel.sendall(stdin)
                channel.shutdown_write()
            stdout = b"".join(iter(lambda: channel.recv(65536), b""))
            stderr = b"".join(iter(lambda: channel.recv_stderr(65536), b""))
            status = exit_status(channel)
        return Finished(status, stdout.decode(errors="replace"), stderr.decode(errors="replace"))

    @contextlib.contextmanager
    def sftp(self) -> Iterator[paramiko.SFTPClient]:
        """Open an SFTP session; relative paths start in the user's home."""
        with self.reaching("opening SFTP"):
            channel = self._session()
            try:
                channel.invoke_subsystem("sftp")
                client = paramiko.SFTPClient(channel)
            except (paramiko.SSHException, paramiko.SFTPError, EOFError) as error:
                if not self._login.transport.is_active():
                    raise
                # paramiko's error depends on how the session fails: silence, or unexpected output.
                raise BoardError(
                    f"its SSH server offers no file transfer (SFTP): {reason(error)}",
                    where=self.address.label,
                    remedy="install an SFTP server there (openssh-sftp-server); if there is one, "
                    "~/.bashrc must not print anything without a terminal",
                ) from error
        with contextlib.closing(client):
            yield client
            # dropbear gives the next session the number of a closed one, and closes it when the
            # program of the closed one ends: let the program end first.
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                channel.shutdown_write()
                channel.status_event.wait(_STATUS_S)


def exit_status(channel: paramiko.Channel) -> int:
    """Return the exit status of a program whose output has ended; raises as paramiko does."""
    if not channel.status_event.wait(_STATUS_S):
        raise TimeoutError
    if channel.exit_status == -1:
        raise EOFError("it was killed on the board, or the connection broke")
    return channel.exit_status


@contextlib.contextmanager
def connect(address: BoardAddress, *, timeout_s: float = 10.0) -> Iterator[Connection]:
    """Connect to a board, sharing this process's login there if it has one.

    The login ends with the last block that uses it.

    Args:
        address: of the board.
        timeout_s: for the TCP connection and for the SSH handshake, also on a jump host.

    Raises:
        BoardUnreachableError: off, no route, no answer.
        HostKeyError: the host key is not the pinned one, or none is pinned.
        LoginError: the board accepts none of the address's keys and passwords.
    """
    with contextlib.ExitStack() as logins:

        def log_in(alone: bool) -> Login:
            new = shared(address, lambda: _log_in(address, timeout_s), alone=alone)
            return logins.enter_context(new)

        yield Connection(address, log_in)


def fetch_host_key(
    host: str, port: int = 22, *, jump: SshHost | None = None, timeout_s: float = 10.0
) -> HostKey:
    """Return the host key that a board presents, for a person to confirm and pin.

    Raises:
        BoardUnreachableError: off, no route, no answer.
    """
    with (
        _jumped(jump, timeout_s) as via,
        _handshake(SshHost(host=host, port=port), via, timeout_s, f"{host}:{port}") as transport,
    ):
        return _host_key(transport)


@contextlib.contextmanager
def _log_in(address: BoardAddress, timeout_s: float) -> Iterator[paramiko.Transport]:
    with (
        _jumped(address.jump, timeout_s) as via,
        _logged_in(address, via, timeout_s) as transport,
    ):
        yield transport


@contextlib.contextmanager
def _jumped(jump: SshHost | None, timeout_s: float) -> Iterator[paramiko.Transport | None]:
    """Connect to the jump host, if there is one."""
    if jump is None:
        yield None
    else:
        with _logged_in(jump, None, timeout_s) as transport:
            yield transport


@contextlib.contextmanager
def _logged_in(
    host: SshHost, via: paramiko.Transport | None, timeout_s: float
) -> Iterator[paramiko.Transport]:
    tried: list[str] = []
    # One connection per attempt: paramiko requests the login service again each time, upon which
    # asyncssh disconnects, and OpenSSH disconnects after six refusals.
    for name, attempt in attempts(host):
        with _handshake(host, via, timeout_s, host.label) as transport:
            _check_host_key(_host_key(transport), host)
            if accepts(transport, attempt, host.label):
                transport.set_keepalive(_KEEPALIVE_S)
                yield transport
                return
            tried.append(name)
    raise refused(tried, host.label)


class _Transport(paramiko.Transport):
    """A transport that remembers what the server offered, which paramiko's errors leave out."""

    _LISTS = (
        ("kex algorithm", "kex_algo_list"),
        ("host key", "server_key_algo_list"),
        ("ciphers", "server_encrypt_algo_list"),
        ("macs", "server_mac_algo_list"),
    )

    def _really_parse_kex_init(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        offered: dict[str, Any] = super()._really_parse_kex_init(  # type: ignore[misc]  # no stub
            *args, **kwargs
        )
        self._offered = offered
        return offered

    def offer(self, error: str) -> str:
        """Return what the server offered of the algorithms that an error is about."""
        known = getattr(self, "_offered", {})
        lists = [known[name] for about, name in self._LISTS if about in error and name in known]
        return f"; the server offers {', '.join(lists[0])}" if lists else ""


@contextlib.contextmanager
def _handshake(
    host: SshHost, via: paramiko.Transport | None, timeout_s: float, where: str
) -> Iterator[paramiko.Transport]:
    pinned = HostKey.parse(host.host_key) if host.host_key else None
    if via is None:
        transport = _Transport(_open_socket(host.host, host.port, timeout_s, where))
    else:
        transport = _Transport(_open_channel(via, host, timeout_s, where))
    # Errors are raised; paramiko would also log each with a traceback.
    transport.set_log_channel(_PARAMIKO_LOG)
    logging.getLogger(_PARAMIKO_LOG).setLevel(logging.CRITICAL)
    transport.banner_timeout = transport.handshake_timeout = timeout_s
    # A server that looks up names or asks another server takes longer to answer a login.
    transport.auth_timeout = max(timeout_s, _LOGIN_S)
    options = transport.get_security_options()
    options.ciphers = _CIPHERS
    if pinned:
        options.key_types = _pinned_first(pinned, options.key_types)
    try:
        try:
            transport.start_client(timeout=timeout_s)
            transport.get_remote_server_key()  # raises when the time is up
        except paramiko.ssh_exception.IncompatiblePeer as error:
            raise BoardError(
                f"no common SSH algorithm: {error}{transport.offer(str(error))}",
                where=where,
                remedy="the board's SSH server is too old: update it (OpenSSH 7.2 or "
                "later), or give it an ed25519 or ecdsa host key",
            ) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise unreachable(
                where, f"no SSH server answered (within {timeout_s:g} s): {reason(error)}"
            ) from error
        yield transport
    finally:
        transport.close()


def _open_socket(host: str, port: int, timeout_s: float, where: str) -> socket.socket:
    try:
        sock = socket.create_connection((host, port), timeout_s)
    except (socket.gaierror, UnicodeError) as error:
        raise BoardUnreachableError(
            f"the host name cannot be resolved: {reason(error)}",
            where=where,
            remedy="check the host in `overlayflow boards show`",
            transient=isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN,
        ) from error
    except OSError as error:
        raise unreachable(where, f"no connection: {reason(error)}") from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux only
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_S * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
    return sock


def _open_channel(
    via: paramiko.Transport, host: SshHost, timeout_s: float, where: str
) -> paramiko.Channel:
    """Open a channel through the jump host to a host behind it."""
    try:
        return via.open_channel(
            "direct-tcpip", (host.host, host.port), ("127.0.0.1", 0), timeout=timeout_s
        )
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise unreachable(where, f"the jump host cannot reach it: {reason(error)}") from error


def _pinned_first(pinned: HostKey, key_types: Sequence[str]) -> tuple[str, ...]:
    """Order key types so that a board with several host keys presents the pinned one."""
    wanted = (
        {"rsa-sha2-512", "rsa-sha2-256"} if pinned.algorithm == "ssh-rsa" else {pinned.algorithm}
    )
    return tuple(sorted(key_types, key=lambda key_type: key_type not in wanted))


def _host_key(transport: paramiko.Transport) -> HostKey:
    key = transport.get_remote_server_key()
    return HostKey(algorithm=key.get_name(), blob=key.get_base64())


def _check_host_key(shown: HostKey, host: SshHost) -> None:
    if host.host_key is None:
        raise HostKeyError(
            f"its host key is not pinned; it presents {shown.fingerprint}",
            where=host.label,
            remedy=f"compare the fingerprint with the board's, then pin it: {host.pinning}",
        )
    pinned = HostKey.parse(host.host_key)
    if shown != pinned:
        raise HostKeyError(
            f"the host key has changed: pinned {pinned.fingerprint}, shown {shown.fingerprint}",
            where=host.label,
            remedy="this is another machine, or it was reinstalled. If you know that it was, "
            f"remove it with `overlayflow boards remove` and pin the new key: {host.pinning}",
        )
