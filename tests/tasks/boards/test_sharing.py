"""Whoever works with a board at the same time shares one login, as long as it is good."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.boards import transfer
from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
from tasks.boards.program import Program, run
from tasks.boards.ssh import connect
from tasks.core.errors import BoardError, BoardUnreachableError, LoginError
from tests import openssh
from tests.tasks.boards.conftest import Link


@pytest.fixture
def link(board: BoardAddress) -> Iterator[Link]:
    """The way to a board, which counts who connects."""
    with closing(Link(board, None)) as made:
        yield made


def test_a_lease_a_transfer_and_a_program_share_one_login(
    link: Link, make_package: Callable[[], tuple[Path, str]]
) -> None:
    with lease([link.address], "share", duration_s=60):
        with connect(link.address) as connection:
            there = transfer.deploy(connection, *make_package()).directory
        with connect(link.address) as connection:
            program = Program(argv=("true",), directory=there)
            assert run(connection, program, deadline_s=30, on_line=print).status == 0
    assert link.connections == 1
    with connect(link.address):
        assert link.connections == 2, "the last user ends it"


def test_a_lost_connection_is_not_shared(link: Link) -> None:
    with connect(link.address) as lost:
        link.cut(True)
        with pytest.raises(BoardUnreachableError, match="lost"):
            lost.execute(["true"])
        with connect(link.address) as other:
            assert other.execute(["true"]).status == 0


def test_a_connection_on_which_something_went_unanswered_is_not_shared(link: Link) -> None:
    with connect(link.address) as silent:
        with pytest.raises(BoardUnreachableError, match="no answer"):
            silent.execute(["sleep", "5"], silence_s=0.1)
        with connect(link.address) as other:
            assert other.execute(["true"]).status == 0
    assert link.connections == 2


def test_more_users_than_a_connection_takes_get_another(link: Link) -> None:
    with ExitStack() as stack:
        for _ in range(6):
            connection = stack.enter_context(connect(link.address))
            for _ in range(2):
                stack.enter_context(closing(connection.start(["cat"])))
        assert link.connections == 2


def test_a_login_is_not_lent_to_somebody_who_would_be_refused(twin: BoardAddress) -> None:
    stranger = twin.model_copy(update={"key_file": None, "password": SecretStr("wrong")})
    with connect(twin), pytest.raises(LoginError), connect(stranger):
        pass


def test_an_error_of_one_user_leaves_the_others_their_connection(link: Link) -> None:
    with connect(link.address) as connection:
        with suppress(KeyboardInterrupt), connect(link.address):
            raise KeyboardInterrupt
        assert connection.execute(["true"]).status == 0
    assert link.connections == 1


def test_a_server_that_allows_a_login_one_session_only_is_logged_into_again(
    tmp_path: Path, make_package: Callable[[], tuple[Path, str]]
) -> None:
    server = openssh.program()
    if server is None:
        pytest.skip("OpenSSH's server is not installed: apt-get install openssh-server")
    (keys := tmp_path / "sshd").mkdir()
    with openssh.serve(server, keys, "MaxSessions 1") as address:
        board = address.model_copy(update={"directory": str(tmp_path / "on board")})
        with lease([board], "few sessions", duration_s=60), connect(board) as connection:
            there = transfer.deploy(connection, *make_package()).directory
            program = Program(argv=("true",), directory=there)
            assert run(connection, program, deadline_s=30, on_line=print).status == 0
            assert connection.execute(["cat"], stdin=b"still there").stdout == "still there"


def test_a_server_that_allows_no_session_is_an_error(tmp_path: Path) -> None:
    server = openssh.program()
    if server is None:
        pytest.skip("OpenSSH's server is not installed: apt-get install openssh-server")
    (keys := tmp_path / "sshd").mkdir()
    with (
        openssh.serve(server, keys, "MaxSessions 0") as address,
        connect(address) as connection,
        pytest.raises(BoardError, match="failed while starting true"),
    ):
        connection.execute(["true"])
