"""SSH servers of embedded images: dropbear, and those that speak old algorithms only."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.boards import runtime
from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
from tasks.boards.program import Program, run
from tasks.boards.ssh import connect
from tasks.core.errors import BoardError
from tests import openssh
from tests.waiting import free_port, listens, until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("setting", "offered"),
    [
        ("HostKeyAlgorithms ssh-rsa", "ssh-rsa"),
        ("KexAlgorithms diffie-hellman-group14-sha1", "diffie-hellman-group14-sha1"),
        ("Ciphers aes128-cbc,3des-cbc", "aes128-cbc, 3des-cbc"),
    ],
)
def test_a_server_of_old_algorithms_is_refused_with_what_it_offers(
    tmp_path: Path, setting: str, offered: str
) -> None:
    program = openssh.program()
    if program is None:
        pytest.skip("OpenSSH's server is not installed: apt-get install openssh-server")
    rsa = tmp_path / "rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", rsa], check=True)
    with (
        openssh.serve(program, tmp_path, f"HostKey {rsa}", setting) as board,
        pytest.raises(BoardError) as refused,
        connect(board),
    ):
        pass
    assert offered in str(refused.value)
    assert "update it" in refused.value.remedy


def test_a_login_may_take_longer_than_a_connection(tmp_path: Path) -> None:
    """A server that looks up names, or asks another one, is slow to answer a login."""
    program = openssh.program()
    if program is None or os.geteuid() != 0:
        pytest.skip("needs root, and OpenSSH's server: apt-get install openssh-server")
    slow = ("AuthorizedKeysCommand /bin/sleep 3", "AuthorizedKeysCommandUser root")
    with (
        openssh.serve(program, tmp_path, *slow) as board,
        connect(board, timeout_s=1.5) as connection,
    ):
        assert connection.execute(["echo", "there"]).stdout == "there\n"


@pytest.fixture
def dropbear(tmp_path: Path) -> Iterator[BoardAddress]:
    """A board whose SSH server is dropbear, as on PetaLinux.

    It reads keys from the user's home only, so it gets another one in a mount namespace.
    """
    program = shutil.which("dropbear", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"])
    if program is None or os.geteuid() != 0:
        pytest.skip("needs root, and dropbear: apt-get install dropbear-bin")
    for name in ("host_key", "user_key"):
        openssh.make_key(tmp_path / name)
    convert = ("dropbearconvert", "openssh", "dropbear", tmp_path / "host_key", tmp_path / "host")
    subprocess.run(convert, check=True, capture_output=True)
    keys = tmp_path / "home" / ".ssh"
    keys.mkdir(parents=True, mode=0o700)
    shutil.copy(tmp_path / "user_key.pub", keys / "authorized_keys")
    users = Path("/etc/passwd").read_text().splitlines()
    root = f"root:x:0:0:root:{tmp_path / 'home'}:/bin/bash"
    passwd = [root if line.startswith("root:") else line for line in users]
    (tmp_path / "passwd").write_text("\n".join(passwd) + "\n")
    port = free_port()
    served = f"exec {program} -F -E -e -s -p 127.0.0.1:{port} -P {tmp_path}/pid -r {tmp_path}/host"
    script = f"mount --bind {tmp_path}/passwd /etc/passwd && {served}"
    environment = os.environ | {"OVERLAYFLOW_LEASE": str(tmp_path / "lease")}
    with (tmp_path / "log").open("wb") as log:
        command = ["unshare", "-m", "--propagation", "private", "sh", "-c", script]
        server = subprocess.Popen(command, env=environment, stderr=log)
    try:
        until(lambda: listens(port))
        yield BoardAddress(
            name="dropbear",
            kind="pynq-z2",
            host="127.0.0.1",
            port=port,
            user=getpass.getuser(),
            host_key=(tmp_path / "host_key.pub").read_text(),
            key_file=tmp_path / "user_key",
            directory=str(tmp_path / "on board"),
        )
    finally:
        server.terminate()
        server.wait()


def test_dropbear_serves_programs_and_leases(dropbear: BoardAddress) -> None:
    """It ends a connection on which a command has more than 9,000 bytes."""
    lines: list[str] = []
    with lease([dropbear], "try the server", duration_s=60), connect(dropbear) as connection:
        programs = runtime.bring(connection)
        asked = Program(argv=runtime.command(programs, "check", ""), directory="/")
        done = run(connection, asked, deadline_s=30, on_line=lines.append)
        long = Program(argv=("printf", "%s", "x" * 20_000), directory="/")
        run(connection, long, deadline_s=30, on_line=lines.append)
    assert done.status == 0, done.stderr
    assert any(line.startswith("{") for line in lines)
    assert "x" * 20_000 in lines


def test_dropbear_starts_a_program_after_a_file_transfer(dropbear: BoardAddress) -> None:
    """It gives a new session the number of one that was closed, and the end of its program, too."""
    with connect(dropbear) as connection:
        for _ in range(20):
            with connection.sftp() as sftp:
                sftp.stat("/")
            assert connection.execute(["echo", "there"]).stdout == "there\n"
