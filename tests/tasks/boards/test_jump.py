"""Boards behind a jump host: both keys are pinned, and each failure names its host."""

import socket
from pathlib import Path

import asyncssh
import pytest

from tasks.boards.address import BoardAddress, HostKey, SshHost
from tasks.boards.lease import lease
from tasks.boards.ssh import connect, fetch_host_key
from tasks.core.errors import BoardUnreachableError, HostKeyError
from tests import openssh


@pytest.fixture
def jump(sshd: BoardAddress) -> SshHost:
    return SshHost(**{name: getattr(sshd, name) for name in SshHost.model_fields})


@pytest.fixture
def behind(twin: BoardAddress, jump: SshHost) -> BoardAddress:
    return twin.model_copy(update={"jump": jump})


def test_a_board_behind_a_jump_host_is_used_like_any_other(behind: BoardAddress) -> None:
    with connect(behind) as connection:
        assert connection.execute(["echo", "there"]).stdout == "there\n"
    with lease([behind], "jump", duration_s=60) as mine:
        assert mine.board == behind.name


def test_the_key_of_a_board_behind_a_jump_host_can_be_fetched(behind: BoardAddress) -> None:
    assert behind.host_key is not None
    shown = fetch_host_key(behind.host, behind.port, jump=behind.jump)
    assert shown == HostKey.parse(behind.host_key)


def test_each_of_the_two_host_keys_must_be_the_pinned_one(
    behind: BoardAddress, jump: SshHost
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    swapped = jump.model_copy(update={"host_key": HostKey.parse(other).line})
    with (
        pytest.raises(HostKeyError) as refused,
        connect(behind.model_copy(update={"jump": swapped})),
    ):
        pass
    assert refused.value.where == jump.label
    with (
        pytest.raises(HostKeyError) as refused,
        connect(behind.model_copy(update={"host_key": HostKey.parse(other).line})),
    ):
        pass
    assert refused.value.where == behind.label


def test_a_board_that_the_jump_host_does_not_reach_is_named(behind: BoardAddress) -> None:
    with (
        pytest.raises(BoardUnreachableError, match="the jump host cannot reach it"),
        connect(behind.model_copy(update={"port": 1})),
    ):
        pass


@pytest.mark.slow
def test_boards_and_jump_hosts_may_have_ipv6_addresses(tmp_path: Path) -> None:
    program = openssh.program()
    if program is None or not socket.has_ipv6:
        pytest.skip("needs IPv6, and OpenSSH's server: apt-get install openssh-server")
    with openssh.serve(program, tmp_path, "ListenAddress ::1") as board:
        there = board.model_copy(update={"host": "::1"})
        fields = {name: getattr(there, name) for name in SshHost.model_fields}
        behind = board.model_copy(update={"jump": SshHost(**fields)})
        for each in (there, behind):
            with connect(each) as connection:
                assert connection.execute(["echo", "there"]).stdout == "there\n"
