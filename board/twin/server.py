"""The twin's SSH server: `python -m board.twin.server --state DIR`.

Users log in by password, or by a key in ~/.ssh/authorized_keys. SFTP starts in the user's home
directory. The server writes the twin's record once it listens, and removes it when it ends; SIGHUP
reboots the board.
"""

import argparse
import asyncio
import contextlib
import errno
import hmac
import logging
import os
import shlex
import shutil
import signal
import socket
from pathlib import Path
from weakref import WeakSet

import asyncssh

from board.kinds import board_kinds

from .environment import board_environment
from .faults import FULL_DISK, REBOOT, REFUSE_SUDO, value_of
from .link import Links
from .processes import kill_all, start_time
from .record import USER, TwinDirectory, TwinRecord, TwinSettings
from .sessions import Sessions

_log = logging.getLogger(__name__)

# Hardware-accelerated on every x86-64, and the fastest of what clients offer.
_CIPHERS = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"]
_CIPHERS += ["aes128-ctr", "aes192-ctr", "aes256-ctr"]
_WINDOW = 8 << 20
_KEEPALIVE_S = 15

_SUDO = Path(__file__).with_name("sudo.sh")


class _Login(asyncssh.SSHServer):
    """Decides who may log in."""

    def __init__(self, password: str, authorized_keys: Path) -> None:
        self._password = password
        self._authorized_keys = authorized_keys

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        # Read at every login, as sshd does: users may add keys.
        if username == USER and self._authorized_keys.exists():
            self._connection.set_authorized_keys(str(self._authorized_keys))
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        right = hmac.compare_digest(password.encode(), self._password.encode())
        return right and username == USER


class _Sftp(asyncssh.SFTPServer):
    """Serves SFTP; sends the exit status without which scp reports a failure.

    While the board's disk is full, writes fail.
    """

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], faults: Path) -> None:
        super().__init__(channel)
        self._faults = faults

    def write(self, file_obj: object, offset: int, data: bytes) -> asyncssh.misc.MaybeAwait[int]:
        if value_of(self._faults, FULL_DISK) is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(file_obj, offset, data)

    def exit(self) -> None:
        self.channel.exit(0)


def _key(path: Path) -> asyncssh.SSHKey:
    """Return the private key in `path`, generated at first use."""
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="overlayflow twin")
        aside = path.with_suffix(".new")
        aside.touch(mode=0o600)
        key.write_private_key(aside)
        aside.replace(path)
    return asyncssh.read_private_key(path)


def _furnish(directory: TwinDirectory, password: str) -> None:
    """Create the directories, keys and commands that logins need."""
    ssh = directory.home / ".ssh"
    ssh.mkdir(parents=True, exist_ok=True, mode=0o700)
    public = _key(directory.client_key).export_public_key().decode()
    authorized_keys = ssh / "authorized_keys"
    known = authorized_keys.read_text(encoding="utf-8") if authorized_keys.exists() else ""
    if public not in known:
        authorized_keys.write_text(known + public, encoding="utf-8")
    directory.commands.mkdir(exist_ok=True)
    sudo = directory.commands / "sudo"
    sudo.touch(mode=0o700)
    template = _SUDO.read_text(encoding="utf-8")
    refused = shlex.quote(str(directory.faults / REFUSE_SUDO))
    filled = template.replace("@password@", shlex.quote(password)).replace("@refused@", refused)
    sudo.write_text(filled, encoding="utf-8")


class _Board:
    """The twin's machine: it serves until told to end; a reboot interrupts it for a while."""

    def __init__(self, directory: TwinDirectory, settings: TwinSettings) -> None:
        self._directory = directory
        self._settings = settings
        self._connections: WeakSet[asyncssh.SSHServerConnection] = WeakSet()
        self._told = asyncio.Event()
        self._ending = False

    async def run(self) -> None:
        """Serve until told to end, through reboots."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._told.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        directory, settings = self._directory, self._settings
        try:
            listener = socket.create_server((settings.host, settings.port))
        except OSError as error:
            raise SystemExit(
                f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
            ) from error
        port = listener.getsockname()[1]
        directory.write_record(_record(directory, settings, port))
        while not self._ending:
            _log.info("twin %s listens on %s:%d", settings.name, settings.host, port)
            await self._serve(listener)
            if not self._ending:
                await self._stay_down()
                listener = socket.create_server((settings.host, port))
        directory.record.unlink(missing_ok=True)

    def _end(self) -> None:
        self._ending = True
        self._told.set()

    async def _serve(self, listener: socket.socket) -> None:
        """Serve until told to end or to reboot, then end all processes."""
        self._told.clear()
        self._directory.temporary.mkdir(exist_ok=True)
        sessions = _sessions(self._directory, self._settings)
        options = await self._options(sessions)

        async def serve(client: socket.socket) -> None:
            with contextlib.suppress(OSError, asyncssh.Error):
                self._connections.add(await asyncssh.run_server(client, options=options))

        accepting = asyncio.create_task(Links(self._directory.faults, serve).accept(listener))
        await self._told.wait()
        accepting.cancel()
        await asyncio.wait([accepting])
        for connection in self._connections:
            connection.abort()
        if not self._ending:
            kill_all(self._directory.home)
        await sessions.end()

    async def _stay_down(self) -> None:
        seconds = value_of(self._directory.faults, REBOOT)
        (self._directory.faults / REBOOT).unlink(missing_ok=True)
        shutil.rmtree(self._directory.temporary, ignore_errors=True)
        _log.info("twin %s reboots", self._settings.name)
        self._told.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), float(seconds or 0))

    async def _options(self, sessions: Sessions) -> asyncssh.SSHServerConnectionOptions:
        directory = self._directory
        options: asyncssh.SSHServerConnectionOptions = (
            await asyncssh.SSHServerConnectionOptions.construct(
                server_factory=lambda: _Login(
                    self._settings.password, directory.home / ".ssh" / "authorized_keys"
                ),
                server_host_keys=[_key(directory.host_key)],
                process_factory=sessions.handle,
                sftp_factory=lambda channel: _Sftp(channel, directory.faults),
                allow_scp=True,
                encoding=None,
                line_editor=False,
                encryption_algs=_CIPHERS,
                compression_algs=None,
                window=_WINDOW,
                keepalive_interval=_KEEPALIVE_S,
                server_version="OverlayflowTwin",
            )
        )
        return options


def _sessions(directory: TwinDirectory, settings: TwinSettings) -> Sessions:
    environment = board_environment(
        Path(settings.python),
        board_kinds()[settings.kind],
        directory.home,
        commands=directory.commands,
        faults=directory.faults,
        temporary=directory.temporary,
    )
    return Sessions(shutil.which("bash") or "/bin/sh", environment, str(directory.home))


def _record(directory: TwinDirectory, settings: TwinSettings, port: int) -> TwinRecord:
    started = start_time(os.getpid())
    if started is None:
        raise RuntimeError("this system has no /proc: a twin runs on Linux")
    return TwinRecord(
        name=settings.name,
        kind=settings.kind,
        pynq=settings.pynq,
        pid=os.getpid(),
        started=started,
        host=settings.host,
        port=port,
        user=USER,
        host_key=_key(directory.host_key).export_public_key().decode().strip(),
        client_key=str(directory.client_key),
        home=str(directory.home),
        log=str(directory.log),
    )


async def _power_on(directory: TwinDirectory, owner: int) -> None:
    if owner:
        _end_with(owner)
    settings = directory.read_settings()
    _furnish(directory, settings.password)
    os.chdir(directory.home)  # where SFTP's relative paths start
    await _Board(directory, settings).run()


def _end_with(owner: int) -> None:
    """End like at SIGTERM once a process is gone, even by kill -9."""
    loop, alive = asyncio.get_running_loop(), os.pidfd_open(owner)

    def gone() -> None:
        loop.remove_reader(alive)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(alive, gone)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="Run the SSH server of a twin.")
    parser.add_argument("--state", type=Path, required=True, help="the twin's directory")
    parser.add_argument("--owner", type=int, default=0, help="pid of a process to end with")
    asked = parser.parse_args()
    directory = TwinDirectory(asked.state.resolve())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    asyncio.run(_power_on(directory, asked.owner))


if __name__ == "__main__":
    main()
