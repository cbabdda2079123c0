"""The twin's SSH server, as a user and as the flow's own client meet it."""

import asyncio
import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import paramiko
import pytest

from board.twin.processes import group_runs
from board.twin.record import TwinRecord
from tests.waiting import until

from .conftest import Login


@pytest.fixture
def client(twin: TwinRecord, login: Login) -> paramiko.SSHClient:
    return login(twin)


@pytest.fixture
def sftp(client: paramiko.SSHClient) -> Iterator[paramiko.SFTPClient]:
    with client.open_sftp() as sftp:
        yield sftp


def run(client: paramiko.SSHClient, command: str, sent: bytes = b"") -> tuple[int, bytes, bytes]:
    stdin, stdout, stderr = client.exec_command(command, timeout=60)
    # A command that refuses before it reads may have closed the channel already.
    with contextlib.suppress(OSError):
        stdin.write(sent)
        stdin.channel.shutdown_write()
    out, error = stdout.read(), stderr.read()
    return stdout.channel.recv_exit_status(), out, error


def test_a_password_logs_in(twin: TwinRecord, login: Login) -> None:
    assert run(login(twin, password="xilinx"), "id -u")[0] == 0


@pytest.mark.parametrize(
    "credentials",
    [
        {"password": "wrong"},
        {"password": ""},
        {"password": "xilinx", "username": "root"},
    ],
)
def test_a_wrong_password_or_user_is_refused(
    twin: TwinRecord, login: Login, credentials: dict[str, str]
) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        login(twin, **credentials)


def test_a_key_is_refused_until_it_is_authorised(twin: TwinRecord, login: Login) -> None:
    key = paramiko.ECDSAKey.generate()
    with pytest.raises(paramiko.AuthenticationException):
        login(twin, pkey=key)
    with (Path(twin.home) / ".ssh/authorized_keys").open("a") as file:
        file.write(f"{key.get_name()} {key.get_base64()}\n")
    assert run(login(twin, pkey=key), "true")[0] == 0


def test_only_the_loopback_address_listens(twin: TwinRecord) -> None:
    assert twin.host == "127.0.0.1"
    listeners = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f"{twin.port:04X}"
    assert [f[1] for f in listeners if f[1].endswith(f":{port}") and f[3] == "0A"] == [
        f"0100007F:{port}"
    ]


def test_secrets_are_readable_by_their_owner_only(twin: TwinRecord) -> None:
    root = Path(twin.client_key).parent
    for name in ("client_key", "host_key", "settings.json", "bin/sudo"):
        assert stat.S_IMODE((root / name).stat().st_mode) & 0o077 == 0


def test_output_error_input_and_status_pass_through(client: paramiko.SSHClient) -> None:
    status, out, error = run(client, "cat; echo problem >&2; exit 7", b"given\0bytes")
    assert (status, out, error) == (7, b"given\0bytes", b"problem\n")


def test_a_signal_that_ends_a_command_is_told(client: paramiko.SSHClient) -> None:
    # How paramiko shows a signal; a command's own status is never negative.
    assert run(client, "kill -9 $$")[0] == -1


CATCHES = 'trap "echo caught; exit" TERM; echo ready; while :; do sleep 0.1; done'


@pytest.mark.parametrize(
    ("command", "terminal"),
    [
        (f"sh -c '{CATCHES}'; true", None),
        (CATCHES, "vt100"),  # the group loses its terminal with the session's leader
    ],
    ids=["pipes", "terminal"],
)
def test_a_signal_of_the_client_reaches_the_whole_group(
    twin: TwinRecord, command: str, terminal: str | None
) -> None:
    async def signalled() -> str:
        known_hosts = asyncssh.import_known_hosts(f"[{twin.host}]:{twin.port} {twin.host_key}\n")
        async with asyncssh.connect(
            twin.host,
            twin.port,
            username=twin.user,
            client_keys=[twin.client_key],
            known_hosts=known_hosts,
            config=None,
        ) as connection:
            process = await connection.create_process(command, term_type=terminal)
            await process.stdout.readline()
            process.send_signal("TERM")
            return await asyncio.wait_for(process.stdout.read(), 60)

    assert "caught" in asyncio.run(signalled())


def test_large_output_arrives_whole_though_the_error_stream_ended_first(
    client: paramiko.SSHClient,
) -> None:
    status, out, _ = run(client, "exec 2>&-; sleep 0.1; head -c 30000000 /dev/zero")
    assert (status, len(out)) == (0, 30_000_000)


def test_large_input_arrives_whole(client: paramiko.SSHClient) -> None:
    assert run(client, "wc -c", bytes(5_000_000))[1].strip() == b"5000000"


def test_python3_is_the_boards_and_nothing_of_the_host_leaks(
    client: paramiko.SSHClient, board_python: Path, twin: TwinRecord
) -> None:
    assert run(client, "command -v python3")[1].decode().strip() == str(
        board_python.parent / "python3"
    )
    variables = dict(
        line.split("=", 1) for line in run(client, "env")[1].decode().splitlines() if "=" in line
    )
    assert variables["HOME"] == variables["PWD"] == twin.home
    assert variables["USER"] == "xilinx"
    assert variables["XILINX_XRT"] == "/usr"
    allowed = {"_", "SHLVL", "PWD", "OLDPWD", "HOME", "LANG", "LOGNAME", "PATH", "PYTHONPATH"}
    allowed |= {"SHELL", "TMPDIR", "USER", "XILINX_XRT"}
    assert {name for name in variables if not name.startswith("OVERLAYFLOW_")} <= allowed


def test_a_terminal_session_has_a_terminal_of_the_clients_size(client: paramiko.SSHClient) -> None:
    channel = client.invoke_shell(term="vt100", width=91, height=17)
    channel.settimeout(10)
    channel.send(b"stty size; tty; echo $TERM; exit 3\n")
    said = b""
    while data := channel.recv(1000):
        said += data
    assert b"17 91" in said
    assert b"/dev/pts/" in said
    assert b"vt100" in said
    assert channel.recv_exit_status() == 3


def test_sudo_takes_the_right_password_from_its_input_and_leaves_the_rest(
    client: paramiko.SSHClient,
) -> None:
    assert run(client, "sudo -S -p '' A=1 sh -c 'echo $A; cat'", b"xilinx\nrest") == (
        0,
        b"1\nrest",
        b"",
    )


@pytest.mark.parametrize(
    ("command", "sent"),
    [("sudo -S -p '' id", b"wrong\n"), ("sudo -n id", b""), ("sudo id", b"xilinx\n")],
)
def test_sudo_refuses(client: paramiko.SSHClient, command: str, sent: bytes) -> None:
    status, out, error = run(client, command, sent)
    assert status == 1
    assert out == b""
    assert error.startswith(b"sudo: ")


def test_files_go_to_the_home_directory_or_to_absolute_paths(
    sftp: paramiko.SFTPClient, twin: TwinRecord, tmp_path: Path
) -> None:
    content = os.urandom(1_000_000)
    (tmp_path / "sent").write_bytes(content)
    sftp.put(str(tmp_path / "sent"), "relative.bin")
    assert (Path(twin.home) / "relative.bin").read_bytes() == content
    assert sftp.normalize(".") == twin.home
    sftp.get(f"{twin.home}/relative.bin", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content
    sftp.mkdir("deep")
    sftp.posix_rename("relative.bin", "deep/renamed.bin")
    assert sftp.stat("deep/renamed.bin").st_size == len(content)
    with pytest.raises(FileNotFoundError):
        sftp.stat("relative.bin")


@pytest.mark.skipif(shutil.which("scp") is None, reason="needs OpenSSH's scp")
@pytest.mark.parametrize("protocol", [(), ("-O",)], ids=["sftp", "legacy"])
def test_openssh_copies_files_and_ends_well(
    twin: TwinRecord, tmp_path: Path, protocol: tuple[str, ...]
) -> None:
    scp = shutil.which("scp")
    assert scp
    (tmp_path / "sent").write_bytes(b"content")
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"[{twin.host}]:{twin.port} {twin.host_key}\n")
    options = ["-F", "none", "-B", "-q", "-i", twin.client_key, "-P", str(twin.port)]
    options += ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "IdentitiesOnly=yes", *protocol]
    target = f"{twin.user}@{twin.host}:copied"
    subprocess.run([scp, *options, str(tmp_path / "sent"), target], check=True)
    assert (Path(twin.home) / "copied").read_bytes() == b"content"


@pytest.mark.parametrize(
    "command",
    [
        "echo $$; sleep 1000 & sleep 1000",
        "echo $$; trap '' HUP TERM INT; while :; do sleep 1; done",
    ],
    ids=["with children", "deaf to hangups"],
)
def test_a_lost_connection_ends_the_process_group(
    twin: TwinRecord, login: Login, command: str
) -> None:
    client = login(twin)
    _, stdout, _ = client.exec_command(command)
    group = int(stdout.readline())
    assert group_runs(group)
    transport = client.get_transport()
    assert transport is not None
    transport.sock.close()
    until(lambda: not group_runs(group))


def test_a_closed_channel_ends_the_process_group_and_leaves_the_connection(
    client: paramiko.SSHClient,
) -> None:
    _, stdout, _ = client.exec_command("echo $$; sleep 1000 & sleep 1000")
    group = int(stdout.readline())
    stdout.channel.close()
    until(lambda: not group_runs(group))
    assert run(client, "true")[0] == 0


def test_many_sessions_at_once_on_one_connection(client: paramiko.SSHClient) -> None:
    running = [client.exec_command(f"sleep 0.2; echo {number}") for number in range(20)]
    assert [int(stdout.read()) for _, stdout, _ in running] == list(range(20))


def test_pynq_runs_over_ssh(
    client: paramiko.SSHClient, sftp: paramiko.SFTPClient, overlay: Path
) -> None:
    for file in overlay.iterdir():
        sftp.put(str(file), file.name)
    script = "from pynq import Clocks, Overlay; Overlay('hls4ml_nn.bit'); print(Clocks.fclk0_mhz)"
    status, out, error = run(client, f'python3 -c "{script}"')
    assert (status, out) == (0, b"125.0\n"), error.decode()
