"""SSH connections to boards: the host key pinned, every failure named, a dead link noticed."""

import contextlib
import logging
import shlex
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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
# The kernel closes a connection on which the peer confirmed nothing for so long. paramiko sends
# its keepalives without asking for an answer and would wait for a vanished board for ever.
_SILENCE_S = 20
# What may wait in the kernel for a slow link: the lease's heartbeat comes after it.
_UNSENT_BYTES = 1 << 17
_ANSWER_S = 30.0
_LOGIN_S = 60.0
# From the end of a program's output to its exit status.
_STATUS_S = 5.0
_PARAMIKO_LOG = f"{__name__}.paramiko"


@dataclass(frozen=True)
class Finished:
    """A program on the board has ended."""

    status: int
    stdout: str
    stderr: str


class Connection:
    """An SSH connection to a board, logged in; made by `connect`."""

    def __init__(self, address: BoardAddress, log_in: Callable[[bool], Login]) -> None:
        self.address = address
        self._log_in = log_in
        self._login = log_in(False)

    @contextlib.contextmanager
    def reaching(self, doing: str) -> Iterator[None]:
        """Turns what paramiko raises into this project's errors.

        Args:
            doing: what the block does, for the message.

        Raises:
            BoardUnreachableError: the connection is gone, or the board stopped answering.
            BoardError: the board is there and refused.
        """
        try:
            yield
        except TimeoutError as error:
            self.doubt()
            raise unreachable(self.address.label, f"no answer while {doing}") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            # Channels learn of the end a moment before the transport says that it has ended.
            self._login.transport.join(0.5)
            if not self._login.transport.is_active():
                raise unreachable(
                    self.address.label, f"the connection was lost while {doing}"
                ) from error
            raise BoardError(
                f"failed while {doing}: {reason(error)}", where=self.address.label
            ) from error

    def doubt(self) -> None:
        """Whoever connects from now on logs in anew: something went wrong on this login."""
        self._login.doubtful = True

    def start(self, argv: Sequence[str]) -> paramiko.Channel:
        """Starts a program; its arguments reach it as they are, whatever they contain."""
        with self.reaching(f"starting {argv[0]}"):
            channel = self._session()
            channel.exec_command(shlex.join(argv))
        return channel

    def _session(self) -> paramiko.Channel:
        """A session, on one more login where this one has all that the board allows it."""
        with contextlib.suppress(paramiko.ChannelException):
            return self._login.session(_ANSWER_S)
        self.doubt()
        self._login = self._log_in(True)
        return self._login.session(_ANSWER_S)

    def execute(
        self, argv: Sequence[str], *, stdin: bytes = b"", silence_s: float = _ANSWER_S
    ) -> Finished:
        """Runs a short program and collects its output.

        Args:
            argv: program and arguments, handed over as they are.
            stdin: what the program reads.
            silence_s: give up when the program says nothing for so long.
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
        """Opens a file transfer session; relative paths start in the user's home."""
        with self.reaching("opening SFTP"):
            channel = self._session()
            try:
                channel.invoke_subsystem("sftp")
                client = paramiko.SFTPClient(channel)
            except (paramiko.SSHException, paramiko.SFTPError, EOFError) as error:
                if not self._login.transport.is_active():
                    raise
                # paramiko raises what the session's silence, or the noise on it, leads to.
                raise BoardError(
                    f"its SSH server offers no file transfer (SFTP): {reason(error)}",
                    where=self.address.label,
                    remedy="install an SFTP server there (openssh-sftp-server); if there is one, "
                    "~/.bashrc must not print anything when there is no terminal",
                ) from error
        with contextlib.closing(client):
            yield client


def exit_status(channel: paramiko.Channel) -> int:
    """The exit status of a program whose output has ended; raises as paramiko does."""
    if not channel.status_event.wait(_STATUS_S):
        raise TimeoutError
    if channel.exit_status == -1:
        raise EOFError("it was killed on the board, or the connection broke")
    return channel.exit_status


@contextlib.contextmanager
def connect(address: BoardAddress, *, timeout_s: float = 10.0) -> Iterator[Connection]:
    """Connects to a board, over the login that this process has there, if it has one.

    The login ends with the last block that works with it.

    Args:
        address: of the board.
        timeout_s: for the TCP connection, and for the SSH handshake; on a jump host too.

    Raises:
        BoardUnreachableError: off, no route, no answer.
        HostKeyError: the host key is not the pinned one, or none is pinned.
        LoginError: the board takes none of the keys and passwords of the address.
    """
    with contextlib.ExitStack() as logins:

        def log_in(alone: bool) -> Login:
            new = shared(address, lambda: _log_in(address, timeout_s), alone=alone)
            return logins.enter_context(new)

        yield Connection(address, log_in)


def fetch_host_key(
    host: str, port: int = 22, *, jump: SshHost | None = None, timeout_s: float = 10.0
) -> HostKey:
    """The host key that a board shows now, to be confirmed by a person and pinned.

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
    """The connection to the jump host, if there is one."""
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
    # A connection for every attempt: paramiko asks for the login service anew each time, at which
    # asyncssh hangs up, and OpenSSH hangs up after six refusals.
    for name, attempt in attempts(host):
        with _handshake(host, via, timeout_s, host.label) as transport:
            _check_host_key(_host_key(transport), host)
            if accepts(transport, attempt, host.label):
                transport.set_keepalive(_KEEPALIVE_S)
                yield transport
                return
            tried.append(name)
    raise refused(tried, host.label)


@contextlib.contextmanager
def _handshake(
    host: SshHost, via: paramiko.Transport | None, timeout_s: float, where: str
) -> Iterator[paramiko.Transport]:
    pinned = HostKey.parse(host.host_key) if host.host_key else None
    if via is None:
        transport = paramiko.Transport(_open_socket(host.host, host.port, timeout_s, where))
    else:
        transport = paramiko.Transport(_open_channel(via, host, timeout_s, where))
    # Errors are raised; paramiko would also log each with a traceback.
    transport.set_log_channel(_PARAMIKO_LOG)
    logging.getLogger(_PARAMIKO_LOG).setLevel(logging.CRITICAL)
    transport.banner_timeout = transport.handshake_timeout = timeout_s
    # A server that looks up names, or asks another one, takes its time to let somebody in.
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
                f"no common SSH algorithm: {error}",
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
    """A way to a host that only the jump host sees."""
    try:
        return via.open_channel(
            "direct-tcpip", (host.host, host.port), ("127.0.0.1", 0), timeout=timeout_s
        )
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise unreachable(where, f"the jump host cannot reach it: {reason(error)}") from error


def _pinned_first(pinned: HostKey, key_types: Sequence[str]) -> tuple[str, ...]:
    """Asks for the kind of key that is pinned, so that a board with several shows that one."""
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
            f"its host key is not pinned; it shows {shown.fingerprint}",
            where=host.label,
            remedy=f"compare the fingerprint with its own, then pin it: {host.pinning}",
        )
    pinned = HostKey.parse(host.host_key)
    if shown != pinned:
        raise HostKeyError(
            f"the host key has changed: pinned {pinned.fingerprint}, shown {shown.fingerprint}",
            where=host.label,
            remedy="this is another machine, or it was installed anew. If you know that it was, "
            f"remove it with `overlayflow boards remove` and pin the new key: {host.pinning}",
        )
