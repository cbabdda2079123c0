"""Starting, watching and stopping twins."""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from board.twin import lifecycle
from board.twin.errors import TwinError
from board.twin.processes import group_runs, start_time
from board.twin.record import TwinDirectory, TwinRecord

from .conftest import ROOT, Login, StartTwin


def state_of(record: TwinRecord) -> Path:
    return Path(record.client_key).parents[1]


def test_a_started_twin_answers_and_a_stopped_one_does_not(start_twin: StartTwin) -> None:
    record = start_twin("one")
    state = state_of(record)
    assert lifecycle.status(state, "one") == record
    assert lifecycle.stop(state, "one")
    assert lifecycle.status(state, "one") is None
    assert start_time(record.pid) is None
    assert not lifecycle.stop(state, "one")
    assert lifecycle.names(state) == ["one"]


def test_a_notebook_finds_a_twin_although_its_event_loop_runs(start_twin: StartTwin) -> None:
    record = start_twin("one")

    async def cell() -> TwinRecord | None:
        return lifecycle.status(state_of(record), "one")

    assert asyncio.run(cell()) == record


def test_starting_twice_gives_the_same_twin(start_twin: StartTwin) -> None:
    assert start_twin("one") == start_twin("one")


def test_two_starts_at_once_give_one_twin(tmp_path: Path, board_python: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from board.twin.lifecycle import start;"
        "print(start(Path(sys.argv[1]), 'one', python=Path(sys.argv[2])).pid)"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path, board_python],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    try:
        assert len({each.communicate(timeout=60)[0] for each in starts}) == 1
        assert {each.returncode for each in starts} == {0}
    finally:
        lifecycle.stop(tmp_path, "one")


def test_two_twins_run_side_by_side(start_twin: StartTwin, login: Login) -> None:
    first, second = start_twin("one"), start_twin("two")
    assert first.port != second.port
    assert first.host_key != second.host_key
    for record in (first, second):
        _, stdout, _ = login(record).exec_command("touch mine; pwd")
        assert stdout.read().decode().strip() == record.home
    assert [path.name for path in Path(first.home).glob("[!.]*")] == ["mine"]
    with pytest.raises(paramiko.AuthenticationException):
        login(first, key_filename=second.client_key)


def test_a_twin_keeps_its_host_key_and_its_home(start_twin: StartTwin) -> None:
    before = start_twin("one")
    (Path(before.home) / "kept").touch()
    lifecycle.stop(state_of(before), "one")
    after = start_twin("one")
    assert after.pid != before.pid
    assert after.host_key == before.host_key
    assert (Path(after.home) / "kept").exists()


def test_a_killed_twin_is_known_as_such_and_started_anew(start_twin: StartTwin) -> None:
    before = start_twin("one")
    os.kill(before.pid, signal.SIGKILL)
    while start_time(before.pid) is not None:
        time.sleep(0.01)
    assert lifecycle.status(state_of(before), "one") is None
    after = start_twin("one")
    assert after.pid != before.pid
    assert lifecycle.status(state_of(after), "one") == after


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(start_twin: StartTwin) -> None:
    record = start_twin("one")
    state = state_of(record)
    lifecycle.stop(state, "one")
    bystander = subprocess.Popen(["/bin/sleep", "60"])
    try:
        recycled = replace(record, pid=bystander.pid, started=record.started)
        TwinDirectory(state / "one").write_record(recycled)
        assert lifecycle.status(state, "one") is None
        assert not lifecycle.stop(state, "one")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_stopping_a_twin_ends_what_runs_on_it(start_twin: StartTwin, login: Login) -> None:
    record = start_twin("one")
    _, stdout, _ = login(record).exec_command("echo $$; sleep 1000 & sleep 1000")
    group = int(stdout.readline())
    assert group_runs(group)
    lifecycle.stop(state_of(record), "one")
    assert not group_runs(group)


def test_a_twin_that_does_not_answer_is_told_from_one_that_runs(
    start_twin: StartTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = start_twin("one")
    monkeypatch.setattr(lifecycle, "_ANSWER_S", 0.5)
    os.kill(record.pid, signal.SIGSTOP)
    try:
        with pytest.raises(TwinError, match="does not answer"):
            lifecycle.status(state_of(record), "one")
    finally:
        os.kill(record.pid, signal.SIGCONT)


def test_a_server_that_does_not_end_is_killed(
    start_twin: StartTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = start_twin("one")
    monkeypatch.setattr(lifecycle, "_STOP_S", 0.5)
    os.kill(record.pid, signal.SIGSTOP)
    assert lifecycle.stop(state_of(record), "one")
    assert start_time(record.pid) is None


def test_a_damaged_record_counts_as_none(start_twin: StartTwin) -> None:
    record = start_twin("one")
    lifecycle.stop(state_of(record), "one")
    file = TwinDirectory(state_of(record) / "one").record
    for damaged in ("", "{", "[]", json.dumps({"pid": 1})):
        file.write_text(damaged)
        assert lifecycle.status(state_of(record), "one") is None


def test_the_server_outlives_the_thread_and_has_no_terminal(start_twin: StartTwin) -> None:
    records: list[TwinRecord] = []
    thread = threading.Thread(target=lambda: records.append(start_twin("one")))
    thread.start()
    thread.join()
    assert os.getsid(records[0].pid) == records[0].pid
    assert Path(f"/proc/{records[0].pid}/fd/0").readlink() == Path(os.devnull)


@pytest.mark.parametrize("python", ["missing/bin/python", sys.executable], ids=["none", "no pynq"])
def test_without_the_boards_environment_a_start_names_the_make_target(
    tmp_path: Path, python: str
) -> None:
    with pytest.raises(TwinError) as raised:
        lifecycle.start(tmp_path, "one", python=tmp_path / python)
    assert "make board-env" in raised.value.remedy
    assert not lifecycle.names(tmp_path)


@pytest.mark.parametrize("kind", ["alveo-u50", "toaster"])
def test_kinds_that_are_not_emulated_are_refused(
    tmp_path: Path, board_python: Path, kind: str
) -> None:
    with pytest.raises(TwinError, match=kind) as raised:
        lifecycle.start(tmp_path, "one", python=board_python, kind=kind)
    assert "pynq-z2" in raised.value.remedy


def test_a_pynq_that_is_not_made_for_the_kind_is_refused(
    tmp_path: Path, board_python: Path
) -> None:
    with pytest.raises(TwinError, match=r"pynq 3\.1\.2 does not support zcu102") as raised:
        lifecycle.start(tmp_path, "one", python=board_python, kind="zcu102")
    assert "--pynq 4.0.0" in raised.value.remedy


def test_an_address_that_nobody_can_listen_on_is_named(tmp_path: Path, board_python: Path) -> None:
    with pytest.raises(TwinError) as raised:
        lifecycle.start(tmp_path, "one", python=board_python, host="999.1.1.1")
    message = str(raised.value)
    assert "cannot listen on 999.1.1.1:0: Name or service not known" in message
    assert "Traceback" not in message


def test_a_new_start_hunts_down_what_a_killed_twin_has_left(
    start_twin: StartTwin, login: Login
) -> None:
    before = start_twin("one")
    # In its own session, and deaf to closed pipes: only its environment identifies it.
    deaf = "trap '' HUP PIPE; echo $$; exec >/dev/null 2>&1; while :; do sleep 0.1; done"
    _, stdout, _ = login(before).exec_command(f"setsid sh -c {shlex.quote(deaf)}")
    group = int(stdout.readline())
    os.kill(before.pid, signal.SIGKILL)
    while start_time(before.pid) is not None:
        time.sleep(0.01)
    assert group_runs(group)
    start_twin("one")
    assert not group_runs(group)


def test_a_twin_that_runs_as_another_kind_is_not_returned(
    start_twin: StartTwin, board_python: Path
) -> None:
    state = state_of(start_twin("one"))
    with pytest.raises(TwinError, match="runs as pynq-z2"):
        lifecycle.start(state, "one", python=board_python, kind="pynq-z1")


@pytest.mark.parametrize("name", ["", "../escape", "Capital", "a b", "a" * 33, "-dash"])
def test_names_that_are_no_names_are_refused(tmp_path: Path, board_python: Path, name: str) -> None:
    with pytest.raises(TwinError, match="cannot be the name"):
        lifecycle.start(tmp_path, name, python=board_python)
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_fails_with_the_servers_own_words(
    start_twin: StartTwin, board_python: Path
) -> None:
    record = start_twin("one")
    with pytest.raises(TwinError, match="Address already in use"):
        lifecycle.start(state_of(record), "two", python=board_python, port=record.port)


def test_the_factory_s_password_opens_no_twin_unless_asked(start_twin: StartTwin) -> None:
    record = start_twin("one")
    with (
        contextlib.closing(paramiko.Transport((record.host, record.port))) as transport,
        pytest.raises(paramiko.AuthenticationException),
    ):
        transport.connect(username=record.user, password="xilinx")
    settings = TwinDirectory(Path(record.client_key).parent).settings
    assert settings.stat().st_mode & 0o077 == 0
