"""Connections: only to the pinned board, and every failure is named."""

import contextlib
import logging
import os
import pickle
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import asyncssh
import pytest
from pydantic import SecretStr

from tasks.boards.address import BoardAddress
from tasks.boards.ssh import connect, fetch_host_key
from tasks.core.errors import BoardError, BoardUnreachableError, HostKeyError, LoginError

CutAfter = Callable[[BoardAddress, int], AbstractContextManager[BoardAddress]]

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEIujsvZqd+0Vg2vuQzySzSnJ0bKoPmUPXJbQqUhUk5a"


def failure(address: BoardAddress, timeout_s: float = 5) -> BoardError:
    with pytest.raises(BoardError) as caught, connect(address, timeout_s=timeout_s):
        pass
    return caught.value


def test_arguments_reach_a_program_as_they_are(board: BoardAddress) -> None:
    nasty = ["", "two words", "; rm -rf ~", "$(id)", "it's", 'a "b"', "*", "ü\n"]
    script = r'for each in "$@"; do printf "%s\0" "$each"; done'
    with connect(board) as connection:
        done = connection.execute(["sh", "-c", script, "sh", *nasty])
    assert done.stdout.split("\0")[:-1] == nasty


def test_output_status_and_input_of_a_program(board: BoardAddress) -> None:
    with connect(board) as connection:
        done = connection.execute(["sh", "-c", "cat; echo oh >&2; exit 3"], stdin=b"in")
    assert (done.status, done.stdout, done.stderr) == (3, "in", "oh\n")


def test_host_key_to_pin_is_the_one_that_connects(board: BoardAddress) -> None:
    shown = fetch_host_key(board.host, board.port)
    with connect(board.model_copy(update={"host_key": shown.line})) as connection:
        assert connection.execute(["true"]).status == 0


def test_unknown_host_key_ends_with_its_fingerprint_and_the_remedy(board: BoardAddress) -> None:
    error = failure(board.model_copy(update={"host_key": None}))
    assert isinstance(error, HostKeyError)
    assert fetch_host_key(board.host, board.port).fingerprint in error.what
    assert "overlayflow boards add" in error.remedy


def test_changed_host_key_ends_before_the_password_is_sent(board: BoardAddress) -> None:
    error = failure(board.model_copy(update={"host_key": OTHER_KEY}))
    assert isinstance(error, HostKeyError)
    assert "changed" in error.what
    assert not error.transient


def test_board_with_several_keys_is_asked_for_the_pinned_one(sshd: BoardAddress) -> None:
    # The pinned kind is one that the server does not have: it shows another, which is refused.
    pinned = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY="
    assert isinstance(failure(sshd.model_copy(update={"host_key": pinned})), HostKeyError)


def test_wrong_password_is_refused_and_not_repeated_in_words(
    twin: BoardAddress, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = failure(twin.model_copy(update={"key_file": None, "password": SecretStr("geheim")}))
    assert isinstance(error, LoginError)
    assert "the password" in error.what
    assert "geheim" not in f"{error} {error!r} {caplog.text} {pickle.dumps(error)!r}"


def test_password_logs_in_where_the_key_is_refused(twin: BoardAddress, tmp_path: Path) -> None:
    key = tmp_path / "stranger"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(key)
    with connect(twin.model_copy(update={"key_file": key})) as connection:
        assert connection.execute(["true"]).status == 0


def test_wrong_key_is_refused_by_name(sshd: BoardAddress, tmp_path: Path) -> None:
    key = tmp_path / "stranger"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(key)
    error = failure(sshd.model_copy(update={"key_file": key}))
    assert isinstance(error, LoginError)
    assert str(key) in error.what


@pytest.mark.parametrize("content", [None, "no key", "encrypted"])
def test_key_file_that_cannot_be_used_is_named(
    twin: BoardAddress, tmp_path: Path, content: str | None
) -> None:
    key = tmp_path / "key"
    if content == "encrypted":
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(
            key, "pkcs8-pem", passphrase="secret"
        )
    elif content is not None:
        key.write_text(content)
    error = failure(twin.model_copy(update={"key_file": key}))
    assert isinstance(error, LoginError)
    assert error.where == str(key)


def test_key_of_the_agent_logs_in(
    sshd: BoardAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sshd.key_file is not None
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.PIPE)
    try:
        assert agent.stdout is not None
        agent.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        subprocess.run(["ssh-add", "-q", sshd.key_file], check=True, env=dict(os.environ))
        with connect(sshd.model_copy(update={"key_file": None, "use_agent": True})):
            pass
    finally:
        agent.terminate()
        agent.communicate()


def test_address_without_key_and_password_says_so(twin: BoardAddress) -> None:
    error = failure(twin.model_copy(update={"key_file": None, "password": None}))
    assert isinstance(error, LoginError)
    assert "no key and no password" in error.what


def test_board_that_is_off_is_unreachable_and_worth_a_retry(twin: BoardAddress) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = failure(twin.model_copy(update={"port": closed.getsockname()[1]}))
    assert isinstance(error, BoardUnreachableError)
    assert error.transient


def test_server_that_says_nothing_is_given_up(twin: BoardAddress) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(twin.model_copy(update={"port": silent.getsockname()[1]}), timeout_s=0.5)
    assert isinstance(error, BoardUnreachableError)


def test_server_that_is_no_ssh_server_is_given_up(twin: BoardAddress) -> None:
    def answer() -> None:
        with contextlib.suppress(OSError):
            client, _ = web.accept()
            with client:
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as web:
        thread = threading.Thread(target=answer)
        thread.start()
        error = failure(twin.model_copy(update={"port": web.getsockname()[1]}), timeout_s=2)
        thread.join()
    assert isinstance(error, BoardUnreachableError)


def test_host_name_that_does_not_exist_is_not_retried(twin: BoardAddress) -> None:
    error = failure(twin.model_copy(update={"host": f"{'x' * 70}.invalid"}))
    assert isinstance(error, BoardUnreachableError)
    assert not error.transient


def test_failures_print_nothing_of_paramiko(
    twin: BoardAddress, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        failure(twin.model_copy(update={"port": silent.getsockname()[1]}), timeout_s=0.2)
    assert (caplog.text, *capfd.readouterr()) == ("", "", "")


def test_connection_that_breaks_is_reported_as_such(
    board: BoardAddress, cut_after: CutAfter
) -> None:
    with (
        cut_after(board, 6000) as link,
        pytest.raises(BoardUnreachableError, match="lost"),
        connect(link) as connection,
    ):
        connection.execute(["cat"], stdin=bytes(20000))
