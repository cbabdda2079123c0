"""The twin's SSH server: `python -m board.twin.server --state DIR`.

Logins by password or by a key in the user's ~/.ssh/authorized_keys, on the loopback address only.
SFTP starts in the user's home directory. Writes the twin's record once it listens, removes it
when it is told to end.
"""

import argparse
import asyncio
import hmac
import logging
import os
import shlex
import shutil
import signal
from pathlib import Path
from weakref import WeakSet

import asyncssh

from board.kinds import board_kinds

from .environment import board_environment
from .processes import start_time
from .record import HOST, USER, TwinDirectory, TwinRecord, TwinSettings
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
    """File transfer that ends with an exit status: without one, scp says that it failed."""

    def exit(self) -> None:
        self.channel.exit(0)


def _key(path: Path) -> asyncssh.SSHKey:
    """The private key in `path`, made at first use."""
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="overlayflow twin")
        aside = path.with_suffix(".new")
        aside.touch(mode=0o600)
        key.write_private_key(aside)
        aside.replace(path)
    return asyncssh.read_private_key(path)


def _furnish(directory: TwinDirectory, password: str) -> None:
    """Make what a home directory and a board need to be logged into."""
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
    sudo.write_text(template.replace("@password@", shlex.quote(password)), encoding="utf-8")


async def _serve(directory: TwinDirectory, settings: TwinSettings) -> None:
    _furnish(directory, settings.password)
    os.chdir(directory.home)  # where SFTP's relative paths start
    environment = board_environment(
        Path(settings.python), board_kinds()[settings.kind], directory.home, directory.commands
    )
    sessions = Sessions(shutil.which("bash") or "/bin/sh", environment, str(directory.home))
    connections: WeakSet[asyncssh.SSHServerConnection] = WeakSet()
    told_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    acceptor = await asyncssh.listen(
        HOST,
        settings.port,
        server_factory=lambda: _Login(
            settings.password, directory.home / ".ssh" / "authorized_keys"
        ),
        server_host_keys=[_key(directory.host_key)],
        process_factory=sessions.handle,
        sftp_factory=_Sftp,
        allow_scp=True,
        acceptor=connections.add,
        encoding=None,
        line_editor=False,
        encryption_algs=_CIPHERS,
        compression_algs=None,
        window=_WINDOW,
        keepalive_interval=_KEEPALIVE_S,
        server_version="OverlayflowTwin",
    )
    directory.write_record(_record(directory, settings, acceptor.get_port()))
    _log.info("twin %s listens on %s:%d", settings.name, HOST, acceptor.get_port())
    await told_to_end.wait()
    directory.record.unlink(missing_ok=True)
    acceptor.close()
    for connection in connections:
        connection.abort()
    await sessions.end()


def _record(directory: TwinDirectory, settings: TwinSettings, port: int) -> TwinRecord:
    started = start_time(os.getpid())
    if started is None:
        raise RuntimeError("this system has no /proc: a twin runs on Linux")
    return TwinRecord(
        name=settings.name,
        kind=settings.kind,
        pid=os.getpid(),
        started=started,
        host=HOST,
        port=port,
        user=USER,
        host_key=_key(directory.host_key).export_public_key().decode().strip(),
        client_key=str(directory.client_key),
        home=str(directory.home),
        log=str(directory.log),
    )


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="The SSH server of one twin board.")
    parser.add_argument("--state", type=Path, required=True, help="the twin's directory")
    directory = TwinDirectory(parser.parse_args().state.resolve())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    asyncio.run(_serve(directory, directory.read_settings()))


if __name__ == "__main__":
    main()
