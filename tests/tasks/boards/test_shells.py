"""Boards whose users have other shells, greetings, or files in the way of Python's modules."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from tasks.boards import runtime
from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
from tasks.boards.program import Program, run
from tasks.boards.ssh import connect
from tasks.core.errors import BoardError
from tests import openssh

pytestmark = pytest.mark.slow

MakeBoard = Callable[[str], BoardAddress]
# What each would be as the user's login shell: sshd hands it the command with -c.
SHELLS = {
    "bash that greets": "echo Welcome to the lab; echo; printf unfinished; "
    'exec bash -c "$SSH_ORIGINAL_COMMAND"',
    "sh": 'exec sh -c "$SSH_ORIGINAL_COMMAND"',
    "fish": 'exec fish -c "$SSH_ORIGINAL_COMMAND"',
    "tcsh": 'exec tcsh -c "$SSH_ORIGINAL_COMMAND"',
}
EVIL = "import os\nos.close(os.open({mark!r}, os.O_CREAT))\nraise SystemExit('evil')\n"


@pytest.fixture
def make_board(tmp_path: Path) -> Iterator[MakeBoard]:
    """Boards of OpenSSH's server that run every command by one of SHELLS."""
    program = openssh.program()
    if program is None:
        pytest.skip("OpenSSH's server is not installed: apt-get install openssh-server")
    with ExitStack() as stack:

        def make(shell: str) -> BoardAddress:
            name = SHELLS[shell].split("exec ")[1].split()[0]
            if shutil.which(name) is None:
                pytest.skip(f"{name} is not installed: apt-get install {name}")
            directory = tmp_path / "sshd"
            directory.mkdir()
            (directory / "bin").mkdir()
            served: AbstractContextManager[BoardAddress] = openssh.serve(
                program, directory, f"ForceCommand {SHELLS[shell]}"
            )
            address = stack.enter_context(served)
            return address.model_copy(update={"directory": str(tmp_path / "on board '; true")})

        yield make


def says(board: BoardAddress, *argv: str, directory: Path) -> list[str]:
    lines: list[str] = []
    with connect(board) as connection:
        asked = Program(argv=argv, directory=str(directory))
        done = run(connection, asked, deadline_s=30, on_line=lines.append)
    assert done.status == 0, done.stderr
    return lines


@pytest.mark.parametrize("shell", SHELLS)
def test_programs_leases_and_our_own_programs_work_under_every_shell(
    make_board: MakeBoard, shell: str, tmp_path: Path
) -> None:
    board = make_board(shell)
    nasty = ("a b", "$HOME", "it's", '"', "\\", "!!", "*", "é\n")
    assert says(board, "printf", "%s\n", *nasty, directory=tmp_path)[:7] == list(nasty[:7])
    with lease([board], "try the shell", duration_s=60) as mine:
        assert mine.board == board.name
    with connect(board) as connection:
        programs = runtime.bring(connection)
    assert says(board, *runtime.command(programs, "check", ""), directory=tmp_path)[-1][:1] == "{"


@contextmanager
def in_the_way(directory: Path, mark: Path) -> Iterator[None]:
    """Modules of somebody else where a program runs."""
    names = ("json", "os", "select", "fcntl", "hashlib", "tarfile", "contextlib", "numpy", "board")
    for name in names:
        (directory / f"{name}.py").write_text(EVIL.format(mark=str(mark)))
    yield
    for name in names:
        (directory / f"{name}.py").unlink()


def test_no_module_in_the_current_directory_is_run(
    some_board: BoardAddress, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    mark = tmp_path / "evil"
    with in_the_way(home, mark):
        with connect(some_board) as connection:
            programs = runtime.bring(connection)
        command = runtime.command(programs, "check", "")
        assert says(some_board, *command, directory=home)[-1][:1] == "{"
    assert not mark.exists()


def test_no_module_in_the_user_s_home_is_run(twin: BoardAddress, tmp_path: Path) -> None:
    with connect(twin) as connection:
        home = Path(connection.execute(["pwd"]).stdout.strip())
        mark = tmp_path / "evil"
        with in_the_way(home, mark):
            runtime.bring(connection)
            with lease([twin], "try", duration_s=60):
                assert says(twin, "true", directory=tmp_path) == []
    assert not mark.exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("Subsystem sftp /nonexistent", "no file transfer"),
        ("Subsystem sftp sh -c 'echo Welcome; exec /usr/lib/openssh/sftp-server'", "SFTP"),
    ],
    ids=["none", "one behind a greeting"],
)
def test_a_server_without_usable_sftp_is_named(tmp_path: Path, setting: str, said: str) -> None:
    program = openssh.program()
    if program is None:
        pytest.skip("OpenSSH's server is not installed: apt-get install openssh-server")
    with (
        openssh.serve(program, tmp_path, sftp=setting) as board,
        connect(board) as connection,
        pytest.raises(BoardError, match=said) as refused,
        connection.sftp() as client,
    ):
        client.listdir()
    assert "sftp-server" in refused.value.remedy
