"""Programs on the board: heard while they run, and gone in every case when they should be."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tasks.boards.address import BoardAddress
from tasks.boards.program import Program, json_lines, run
from tasks.boards.ssh import connect
from tasks.core.errors import BenchmarkError, BoardUnreachableError, LoginError
from tests.waiting import until

Cut = Callable[[bool], None]
MakeLink = Callable[[BoardAddress], AbstractContextManager[tuple[BoardAddress, Cut]]]
ROOT = Path(__file__).parents[3]

# A program with a child, both deaf to everything but SIGKILL. It prints their pids.
STUBBORN = """\
trap '' TERM HUP INT
sleep 1000 &
echo $$ $!
while :; do sleep 0.1; done
"""
# Another process that runs a program on the board: address, directory, script.
CONTROLLER = """\
import sys
from tasks.boards import program as programs
from tasks.boards.address import BoardAddress
from tasks.boards.ssh import connect
programs.LIFELINE_GRACE_S = programs.TERM_GRACE_S = 0.3
address, directory, script = sys.argv[1:]
board = BoardAddress.model_validate_json(address).model_copy(update={"password": None})
with connect(board) as connection:
    program = programs.Program(("sh", "-c", script), directory)
    programs.run(
        connection, program, deadline_s=60, on_line=lambda line: print(line, flush=True)
    )
"""


class Cancelled(BaseException):
    """As Prefect ends a task."""


def sh(directory: Path, script: str, **more: Any) -> Program:
    return Program(("sh", "-c", script), str(directory), **more)


def lines_of(board: BoardAddress, program: Program) -> list[str]:
    lines: list[str] = []
    with connect(board) as connection:
        done = run(connection, program, deadline_s=20, on_line=lines.append)
    assert (done.status, done.stderr) == (0, "")
    return lines


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def assert_gone(pids: list[int]) -> None:
    until(lambda: not any(map(alive, pids)))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program here makes use of the time that a runner has to leave the board tidy."""
    monkeypatch.setattr("tasks.boards.program.LIFELINE_GRACE_S", 0.3)
    monkeypatch.setattr("tasks.boards.program.TERM_GRACE_S", 0.3)


def test_lines_come_while_the_program_runs(board: BoardAddress, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    script = f"echo one; while ! [ -e '{go_on}' ]; do sleep 0.05; done; echo two; printf three"
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        go_on.touch()

    with connect(board) as connection:
        run(connection, sh(tmp_path, script), deadline_s=20, on_line=on_line)
    assert lines == ["one", "two", "three"]


def test_status_and_standard_error_of_a_program(board: BoardAddress, tmp_path: Path) -> None:
    script = "for i in $(seq 100); do echo line $i >&2; done; exit 7"
    with connect(board) as connection:
        done = run(connection, sh(tmp_path, script), deadline_s=20, on_line=print)
    assert done.status == 7
    assert done.stderr.splitlines()[-2:] == ["line 99", "line 100"]


def test_program_killed_by_a_signal_has_its_number_in_the_status(
    board: BoardAddress, tmp_path: Path
) -> None:
    with connect(board) as connection:
        done = run(connection, sh(tmp_path, "kill -SEGV $$"), deadline_s=20, on_line=print)
    assert done.status == 128 + signal.SIGSEGV


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (Program(("no-such-program",), "/"), "no-such-program"),
        (Program(("true",), "/no/such/directory"), "/no/such/directory"),
        (Program(("sleep", "1000"), "/proc"), "cannot watch sleep"),  # no place for its pid file
    ],
)
def test_program_that_cannot_start_says_why(
    board: BoardAddress, program: Program, message: str
) -> None:
    with connect(board) as connection:
        done = run(connection, program, deadline_s=20, on_line=print)
    assert done.status == 127
    assert message in done.stderr


def test_arguments_directory_and_environment_arrive_as_they_are(
    board: BoardAddress, tmp_path: Path
) -> None:
    nasty = "a 'b' \"c\"; rm -rf $HOME $(id) ü"
    directory = tmp_path / nasty
    directory.mkdir()
    program = Program(
        ("sh", "-c", 'pwd; echo "$1"; echo "$XILINX_XRT"', "sh", nasty),
        str(directory),
        environment={"XILINX_XRT": nasty},
    )
    assert lines_of(board, program) == [str(directory), nasty, nasty]


def test_profile_is_sourced_where_it_exists(board: BoardAddress, tmp_path: Path) -> None:
    profile = tmp_path / "pynq_venv.sh"
    program = sh(tmp_path, 'echo "$VIRTUAL_ENV"', profile=str(profile))
    assert lines_of(board, program) == [""]
    profile.write_text("export VIRTUAL_ENV=/usr")
    assert lines_of(board, program) == ["/usr"]


def test_standard_input_stays_open_while_the_program_runs(
    board: BoardAddress, tmp_path: Path
) -> None:
    script = "timeout 0.5 cat; echo $?"
    assert lines_of(board, sh(tmp_path, script)) == ["124"]


def test_program_as_root_gets_through_sudo_with_the_password(
    twin: BoardAddress, tmp_path: Path
) -> None:
    script = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -cx '[x]ilinx'; true"
    assert twin.password == SecretStr("xilinx")
    assert lines_of(twin, sh(tmp_path, script, root=True)) == ["0"]  # it is on no command line


@pytest.mark.parametrize("password", [SecretStr("geheim"), None])
def test_refused_sudo_is_an_error_without_the_password(
    twin: BoardAddress, tmp_path: Path, password: SecretStr | None
) -> None:
    board = twin.model_copy(update={"password": password})
    with connect(board) as connection, pytest.raises(LoginError, match="sudo refused") as caught:
        run(connection, sh(tmp_path, "true", root=True), deadline_s=20, on_line=print)
    assert "geheim" not in str(caught.value)


def test_program_as_root_is_killed_with_its_children_at_the_deadline(
    twin: BoardAddress, tmp_path: Path
) -> None:
    lines: list[str] = []
    with connect(twin) as connection, pytest.raises(BenchmarkError, match="within 1 s"):
        run(connection, sh(tmp_path, STUBBORN, root=True), deadline_s=1, on_line=lines.append)
    assert not any(alive(int(pid)) for pid in lines[0].split())


def test_program_that_does_not_end_is_killed_with_its_children_at_the_deadline(
    board: BoardAddress, tmp_path: Path
) -> None:
    lines: list[str] = []
    with connect(board) as connection, pytest.raises(BenchmarkError, match="within 1 s"):
        run(connection, sh(tmp_path, STUBBORN), deadline_s=1, on_line=lines.append)
    pids = [int(pid) for pid in lines[0].split()]
    assert not any(map(alive, pids))
    assert list(tmp_path.glob(".run-*")) == []


def test_what_a_program_leaves_behind_ends_with_it(board: BoardAddress, tmp_path: Path) -> None:
    (line,) = lines_of(board, sh(tmp_path, "sleep 1000 & echo $!"))
    assert not alive(int(line))


def test_cancelling_kills_the_program_with_its_children(
    board: BoardAddress, tmp_path: Path
) -> None:
    pids: list[int] = []

    def cancel(line: str) -> None:
        pids.extend(int(pid) for pid in line.split())
        raise Cancelled

    with connect(board) as connection, pytest.raises(Cancelled):
        run(connection, sh(tmp_path, STUBBORN), deadline_s=60, on_line=cancel)
    assert len(pids) == 2
    assert not any(map(alive, pids))


def test_error_of_the_listener_is_not_taken_for_one_of_the_board(
    some_board: BoardAddress, tmp_path: Path
) -> None:
    def fail(_line: str) -> None:
        raise OSError("no space left here")

    with connect(some_board) as connection, pytest.raises(OSError, match="left here"):
        run(connection, sh(tmp_path, "echo ready; cat"), deadline_s=60, on_line=fail)


def test_program_that_heeds_its_lifeline_ends_by_itself(
    board: BoardAddress, tmp_path: Path
) -> None:
    def cancel(_line: str) -> None:
        raise Cancelled

    script = "echo ready; cat; touch tidied"
    with connect(board) as connection, pytest.raises(Cancelled):
        run(connection, sh(tmp_path, script), deadline_s=60, on_line=cancel)
    assert (tmp_path / "tidied").exists()


def test_program_ends_when_the_link_breaks(
    board: BoardAddress, tmp_path: Path, make_link: MakeLink
) -> None:
    pids: list[int] = []
    with make_link(board) as (address, cut):

        def break_link(line: str) -> None:
            pids.extend(int(pid) for pid in line.split())
            cut(True)

        with pytest.raises(BoardUnreachableError), connect(address) as connection:
            run(connection, sh(tmp_path, STUBBORN), deadline_s=60, on_line=break_link)
    assert_gone(pids)


def may_be_root(board: BoardAddress) -> bool:
    if board.user == "root" or board.password is not None:
        return True
    allowed = ["sudo", "-n", "true"]
    return (
        shutil.which("sudo") is not None
        and subprocess.run(allowed, capture_output=True, check=False).returncode == 0
    )


def test_program_ends_over_a_fresh_connection_when_the_board_does_not_notice(
    board: BoardAddress, tmp_path: Path, make_link: MakeLink
) -> None:
    if not may_be_root(board):
        pytest.skip(f"{board.user} may not use sudo here")
    pids: list[int] = []
    with make_link(board) as (address, cut):

        def break_link(line: str) -> None:
            pids.extend(int(pid) for pid in line.split())
            cut(False)

        with pytest.raises(BoardUnreachableError), connect(address) as connection:
            run(connection, sh(tmp_path, STUBBORN, root=True), deadline_s=60, on_line=break_link)
        assert not any(map(alive, pids))


def test_program_ends_when_its_controller_is_killed(board: BoardAddress, tmp_path: Path) -> None:
    controller = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, board.model_dump_json(), str(tmp_path), STUBBORN],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert controller.stdout is not None
    pids = [int(pid) for pid in controller.stdout.readline().split()]
    assert all(map(alive, pids))
    controller.kill()
    controller.communicate()
    assert_gone(pids)


def test_program_does_not_outlive_its_guard(board: BoardAddress, tmp_path: Path) -> None:
    pids: list[int] = []

    def kill_guard(line: str) -> None:
        pids.extend(int(pid) for pid in line.split())
        while not (pid_files := list(tmp_path.glob(".run-*.pid"))):
            time.sleep(0.01)
        os.kill(json.loads(pid_files[0].read_text())["guard"], signal.SIGKILL)

    with connect(board) as connection:
        done = run(connection, sh(tmp_path, STUBBORN), deadline_s=60, on_line=kill_guard)
    assert done.status == 128 + signal.SIGKILL
    assert not any(map(alive, pids))


def test_records_are_told_from_text() -> None:
    records: list[dict[str, Any]] = []
    texts: list[str] = []
    on_line = json_lines(records.append, texts.append)
    for line in ('{"event": "done"}', "Warning: 3", "3", '{"broken"', ""):
        on_line(line)
    assert records == [{"event": "done"}]
    assert texts == ["Warning: 3", "3", '{"broken"', ""]
