"""OpenSSH's own server on loopback, run by the current user for this user, as a board."""

import contextlib
import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tasks.boards.address import BoardAddress
from tests.waiting import free_port, listens, until

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
{sftp}
SetEnv PATH={directory}/bin:/usr/local/bin:/usr/bin:/bin OVERLAYFLOW_LEASE={directory}/lease
"""


def program() -> str | None:
    """The server's path, which it wants to be started by; it is not on a user's PATH."""
    return shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ["PATH"])


@contextlib.contextmanager
def serve(
    sshd: str, directory: Path, *settings: str, sftp: str = "Subsystem sftp internal-sftp"
) -> Iterator[BoardAddress]:
    """Run the server in an empty directory; what lies in its `bin` comes first on the PATH.

    Args:
        sshd: path of the server.
        directory: of its keys, and of the lease of the board that it stands for.
        settings: further lines of its configuration.
        sftp: the line that says what transfers files.
    """
    for key in ("host_key", "user_key"):
        make_key(directory / key)
    port = free_port()
    config = [_CONFIG.format(port=port, directory=directory, sftp=sftp), *settings]
    (directory / "config").write_text("\n".join(config))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it under root
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", directory / "config"], stderr=log)
    try:
        until(lambda: listens(port))
        yield BoardAddress(
            name="openssh",
            kind="pynq-z2",
            host="127.0.0.1",
            port=port,
            user=getpass.getuser(),
            host_key=(directory / "host_key.pub").read_text(),
            key_file=directory / "user_key",
        )
    finally:
        server.terminate()
        server.wait()


def make_key(path: Path) -> None:
    """A key pair without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
