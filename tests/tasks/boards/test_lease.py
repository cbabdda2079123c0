"""A board belongs to one at a time, whoever asks, and however they end."""

import logging
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tasks.boards import lease as leases
from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
from tasks.boards.ssh import connect
from tasks.core.errors import BoardBusyError, BoardUnreachableError
from tests.tasks.boards.conftest import Link
from tests.waiting import until

ROOT = Path(__file__).parents[3]

# A server of its own: takes the lease so many times, each time sees whether it is alone, and says
# how often it was. With 0 it takes the lease once, says so and keeps it.
OTHER = """\
import os, sys, time
from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
address, mark, times = sys.argv[1:]
board = BoardAddress.model_validate_json(address).model_copy(update={"password": None})
if times == "0":
    with lease([board], "sit on it", duration_s=600):
        print("held", flush=True)
        time.sleep(600)
alone = 0
for _ in range(int(times)):
    with lease([board], "race", duration_s=60, wait_s=60):
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        time.sleep(0.01)
        os.unlink(mark)
        alone += 1
print(alone)
"""


class Cancelled(BaseException):
    """As Prefect ends a flow."""


def other(board: BoardAddress, mark: Path, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OTHER, board.model_dump_json(), str(mark), str(times)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def is_free(board: BoardAddress, within_s: float = 0.0) -> bool:
    try:
        with lease([board], "ask", duration_s=10, wait_s=within_s):
            return True
    except BoardBusyError:
        return False


def expire(board: BoardAddress) -> None:
    """End a reservation as time would."""
    script = 'sed -i \'s/"ends": [0-9.]*/"ends": 1.0/\' "$OVERLAYFLOW_LEASE"'
    with connect(board) as connection:
        assert connection.execute(["sh", "-c", script]).status == 0


def test_a_busy_board_says_who_has_it_why_and_until_when(board: BoardAddress) -> None:
    with (
        lease([board], "measure digits", duration_s=60, flow_run=("id", "wise-fox")) as mine,
        pytest.raises(BoardBusyError) as refused,
        lease([board], "another", duration_s=60),
    ):
        pass
    until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(mine.expires))
    assert f"{leases.owner()} in flow run wise-fox until {until}" in refused.value.what
    assert "(measure digits)" in refused.value.what
    assert refused.value.transient
    assert is_free(board)


@pytest.mark.parametrize("end", [ValueError, Cancelled, KeyboardInterrupt])
def test_the_board_is_free_however_the_block_ends(
    twin: BoardAddress, end: type[BaseException]
) -> None:
    with pytest.raises(end), lease([twin], "fail", duration_s=60):
        raise end
    assert is_free(twin)


def test_two_servers_racing_forty_times_never_overlap(twin: BoardAddress, tmp_path: Path) -> None:
    servers = [other(twin, tmp_path / "mark", 20) for _ in range(2)]
    assert [server.communicate(timeout=120)[0] for server in servers] == ["20\n", "20\n"]


def test_a_server_that_crashes_leaves_the_board_free_and_that_is_logged(
    board: BoardAddress, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with other(board, tmp_path / "mark", 0) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "held\n"
        assert not is_free(board)
        server.send_signal(signal.SIGKILL)
    assert is_free(board, within_s=60)
    assert f"taken over from {leases.owner()}" in caplog.text
    assert "(sit on it)" in caplog.text


def test_who_waits_gets_the_board_when_it_is_free(twin: BoardAddress, tmp_path: Path) -> None:
    with lease([twin], "first", duration_s=60):
        waiting = other(twin, tmp_path / "mark", 1)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.communicate(timeout=3)
    assert waiting.communicate(timeout=30)[0] == "1\n"
    assert waiting.returncode == 0


def test_a_lost_connection_does_not_lose_the_lease_unless_somebody_else_takes_it(
    board: BoardAddress, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(leases, "_BEAT_S", 0.2)
    with (
        closing(Link(board, None)) as link,
        lease([link.address], "first", duration_s=60) as mine,
    ):
        link.cut(True)
        until(lambda: is_held(board, mine.id))
        link.down = True
        link.cut(True)
        with lease([board], "second", duration_s=60, wait_s=10):
            link.down = False
            until(lambda: refused_to_come_back(caplog))
            state = leases.show(board).lease
            assert state is not None
            assert state.purpose == "second"
        until(lambda: is_held(board, mine.id))
    assert is_free(board)


def refused_to_come_back(caplog: pytest.LogCaptureFixture) -> bool:
    told = (line for line in caplog.messages if "the lease is not back" in line)
    return any("(second)" in line for line in told)


def is_held(board: BoardAddress, lease_id: str) -> bool:
    state = leases.show(board)
    return state.lease is not None and state.lease.id == lease_id and not is_free(board)


def test_the_board_gives_up_a_lease_whose_holder_it_does_not_hear_of(
    board: BoardAddress, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(leases, "_BEAT_S", 60)
    monkeypatch.setattr(leases, "SILENCE_S", 1)
    with lease([board], "silent", duration_s=60):
        assert is_free(board, within_s=60)
    assert f"taken over from {leases.owner()}" in caplog.text
    assert "(silent)" in caplog.text


def test_a_lease_ends_when_its_time_is_over(twin: BoardAddress) -> None:
    with lease([twin], "short", duration_s=1):
        assert is_free(twin, within_s=60)


def test_a_heartbeat_keeps_the_lease(twin: BoardAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_BEAT_S", 0.1)
    monkeypatch.setattr(leases, "SILENCE_S", 4)
    with lease([twin], "heard", duration_s=60):
        time.sleep(4.5)  # a lease of which the board had heard nothing since would be over
        assert not is_free(twin)
        assert not leases.show(twin).free


def test_a_reservation_outlives_its_session_and_is_released_by_its_owner_only(
    board: BoardAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "owner", lambda: "ada@lab")
    leases.reserve(board, "debugging", 3600)
    monkeypatch.undo()
    with pytest.raises(BoardBusyError, match=r"ada@lab until .* \(debugging\)"):
        leases.release(board)
    with pytest.raises(BoardBusyError, match="debugging"):
        leases.reserve(board, "mine", 60)
    assert not is_free(board)
    assert not leases.show(board).free
    monkeypatch.setattr(leases, "owner", lambda: "ada@lab")
    released = leases.release(board)
    assert released is not None
    assert released.purpose == "debugging"
    assert leases.release(board) is None
    assert leases.show(board).free


def test_ones_own_run_works_under_what_one_reserved(board: BoardAddress) -> None:
    leases.reserve(board, "debugging", 3600)
    with lease([board], "measure", duration_s=60):
        assert not is_free(board)
    state = leases.show(board)
    assert state.lease is not None
    assert (state.lease.purpose, state.free) == ("debugging", False)
    leases.release(board)


def test_a_removed_lease_file_ends_the_lease_before_somebody_else_has_the_board(
    twin: BoardAddress, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_BEAT_S", 60)
    with connect(twin) as connection, lease([twin], "first", duration_s=60) as mine:
        connection.execute(["sh", "-c", 'rm "$OVERLAYFLOW_LEASE"'])
        with lease([twin], "second", duration_s=60):
            found = connection.execute(["pgrep", "-f", mine.id])
    assert found.status == 1  # the holder is gone
    assert "taken over" not in caplog.text


def test_an_expired_reservation_is_taken_over_and_that_is_logged(
    board: BoardAddress, caplog: pytest.LogCaptureFixture
) -> None:
    leases.reserve(board, "lunch", 3600)
    expire(board)
    assert leases.show(board).free
    assert is_free(board)
    assert "taken over from" in caplog.text
    assert "(lunch)" in caplog.text


def test_a_lease_that_a_process_holds_is_not_released_from_outside(twin: BoardAddress) -> None:
    with lease([twin], "a run", duration_s=60):
        with pytest.raises(BoardBusyError, match="a run"):
            leases.release(twin)
        assert not is_free(twin)


def test_the_first_free_board_is_taken(twin: BoardAddress, sshd: BoardAddress) -> None:
    off = twin.model_copy(update={"port": 1, "name": "off"})
    with ExitStack() as stack:
        first = stack.enter_context(lease([off, twin, sshd], "a", duration_s=60))
        second = stack.enter_context(lease([off, twin, sshd], "b", duration_s=60))
        assert (first.board, second.board) == (twin.name, sshd.name)
        with pytest.raises(BoardBusyError, match=r"\(a\).*\(b\)"):
            stack.enter_context(lease([off, twin, sshd], "c", duration_s=60))
    with pytest.raises(BoardUnreachableError), lease([off, off], "d", duration_s=60):
        pass


def test_waiting_says_once_for_whom(twin: BoardAddress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tasks")
    with lease([twin], "long", duration_s=60):
        assert not is_free(twin, within_s=1)
    assert sum("waiting, 1 s at most" in line for line in caplog.messages) == 1
