"""Promises of tasks/processes/run.py, with real processes."""

import _thread
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import ToolError, ToolMissingError, ToolTimeoutError
from tasks.processes.run import ToolRun, run_tool
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]
# Writes the pids of a child, of a grandchild in its own session and of a double-forked
# daemon, then waits.
TREE = """
sleep 300 & echo $! >> pids
setsid sh -c 'echo $$ >> pids; sleep 300' &
(setsid sh -c 'echo $$ >> pids; exec sleep 300' &)
echo $$ > tool
cat tool >> pids
wait
"""
POLITE = "trap 'exit 0' TERM; echo $$ > tool; cat tool >> pids; sleep 300 & wait"
IGNORES_TERM = "trap '' TERM; echo $$ >> pids; echo ready; while :; do sleep 0.05; done"


def run(script: str, cwd: Path, **options: Any) -> ToolRun:
    """Run a shell script as a tool."""
    arguments: dict[str, Any] = {"cwd": cwd, "log": cwd / "tool.log", "step": "test"}
    return run_tool(["sh", "-c", script], **arguments | {"deadline_s": 60} | options)


def pids(cwd: Path) -> list[int]:
    path = cwd / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in (b"Z", b"X")


def assert_all_gone(cwd: Path) -> None:
    assert pids(cwd)
    until(lambda: not any(alive(pid) for pid in pids(cwd)))


def test_output_goes_to_the_log_and_figures_are_returned(tmp_path: Path) -> None:
    done = run("echo out; echo err >&2; sleep 0.1", tmp_path)
    assert done.log.read_text() == "out\nerr\n"
    assert done.returncode == 0
    assert 0.1 <= done.seconds < 60
    assert 100_000 < done.peak_rss_bytes < 100_000_000


def test_nothing_is_inherited_but_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_KEY", "secret")
    monkeypatch.setenv("KEPT", "yes")
    monkeypatch.setenv("LC_ALL", "xx_YY")
    read, write = os.pipe()
    os.set_inheritable(write, True)
    run("env; ls -l /proc/self/fd; cat", tmp_path, env={"ADDED": "1"})
    os.close(read)
    os.close(write)
    log = (tmp_path / "tool.log").read_text()
    assert "secret" not in log
    assert {"KEPT=yes", "ADDED=1", "LC_ALL=C.UTF-8"} <= set(log.split())
    assert "/dev/null" in log
    assert "pipe:" not in log
    assert "socket:" not in log


def test_signals_that_this_process_ignores_reach_the_tool(tmp_path: Path) -> None:
    ignored = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with pytest.raises(ToolError, match="SIGUSR1"):
            run("kill -USR1 $$; sleep 9", tmp_path)
    finally:
        signal.signal(signal.SIGUSR1, ignored)


@pytest.mark.parametrize("status", [1, 3, 127, 255])
def test_an_exit_status_is_passed_through(tmp_path: Path, status: int) -> None:
    with pytest.raises(ToolError, match=f"exit status {status}") as caught:
        run(f"exit {status}", tmp_path)
    assert caught.value.returncode == status
    assert caught.value.where == "test"
    assert caught.value.log == tmp_path / "tool.log"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_is_passed_through_and_named(tmp_path: Path, number: signal.Signals) -> None:
    with pytest.raises(ToolError, match=number.name) as caught:
        run(f"ulimit -c 0; kill -{number} $$", tmp_path)
    assert caught.value.returncode == -number
    assert caught.value.remedy


def test_a_killed_tool_is_said_to_have_run_out_of_memory(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"was killed \(SIGKILL\), out of memory\?"):
        run("kill -9 $$", tmp_path)


def test_a_killed_process_behind_a_shell_is_said_to_have_run_out_of_memory(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"exit status 137 \(SIGKILL\)") as caught:
        run("sh -c 'kill -9 $$'; exit $?", tmp_path)
    assert "memory" in caught.value.remedy


def test_the_first_error_lines_are_quoted_not_the_last(tmp_path: Path) -> None:
    script = """
    echo 'Compiling with -Werror'; echo '0 errors so far'; echo 'ERROR: [HLS 1-2] the cause'
    for i in $(seq 100); do echo "error: follow-up $i"; done; echo bye; exit 2
    """
    with pytest.raises(ToolError) as caught:
        run(script, tmp_path)
    assert caught.value.what.splitlines()[1].strip() == "ERROR: [HLS 1-2] the cause"
    assert "Werror" not in caught.value.what
    assert "0 errors" not in caught.value.what
    assert "bye" not in caught.value.what
    assert len(caught.value.what.splitlines()) == 6


def test_no_secret_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"ERROR: .*--password \*\*\*") as caught:
        run("echo 'ERROR: cannot log in with --password geheim-77'; exit 2", tmp_path)
    assert "geheim-77" not in str(caught.value)


def test_the_last_lines_are_quoted_where_none_looks_like_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="what happened"):
        run("echo start; echo what happened; exit 2", tmp_path)


def test_a_full_disk_is_recognised_behind_other_errors(tmp_path: Path) -> None:
    script = "for i in $(seq 9); do echo error; done; cat /etc/passwd > /dev/full"
    with pytest.raises(ToolError, match="No space left") as caught:
        run(script, tmp_path)
    assert "free space" in caught.value.remedy


@pytest.mark.parametrize("command", ["no-such-tool", "./not-there", "./not-executable", "./dir"])
def test_a_tool_that_cannot_be_started_is_missing(tmp_path: Path, command: str) -> None:
    (tmp_path / "not-executable").write_text("#!/bin/sh\n")
    (tmp_path / "dir").mkdir()
    with pytest.raises(ToolMissingError, match=command) as caught:
        run_tool([command], cwd=tmp_path, log=tmp_path / "log", step="s", deadline_s=9)
    assert "install" in caught.value.remedy


def test_an_expected_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"did not write b\.rpt, c\.bit"):
        run("touch a", tmp_path, expected=["a", "b.rpt", Path("c.bit")])


def test_an_expected_file_of_an_earlier_run_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "old.bit").write_text("stale")
    with pytest.raises(ToolError, match=r"did not write old\.bit"):
        run("cat old.bit", tmp_path, expected=["old.bit"])


def test_an_expected_file_may_carry_an_old_date_if_this_run_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("stale")
    run("echo new > a; touch -d 2001-01-01 a", tmp_path, expected=["a"])


def test_lines_are_handed_on_while_the_tool_runs(tmp_path: Path) -> None:
    seen: list[str] = []

    def on_line(line: str) -> None:
        seen.append(line)
        (tmp_path / "go").touch()

    script = "echo first; while [ ! -e go ]; do sleep 0.02; done; printf '\\n\\r10%%\\r20%%\\nend'"
    run(script, tmp_path, on_line=on_line)
    assert seen == ["first", "10%", "20%", "end"]


def test_output_that_is_not_utf8_is_handed_on(tmp_path: Path) -> None:
    seen: list[str] = []
    run(r"printf 'caf\351 \377\n'", tmp_path, on_line=seen.append)
    assert seen == ["caf\ufffd \ufffd"]
    with pytest.raises(ToolError, match="error \ufffd"):
        run(r"printf 'error \351\n'; exit 1", tmp_path)


def test_big_output_is_handed_on_completely(tmp_path: Path) -> None:
    count = 0

    def on_line(line: str) -> None:
        nonlocal count
        count += 1
        assert line == str(count)

    done = run("seq 1000000", tmp_path, on_line=on_line)
    assert count == 1_000_000
    assert done.log.stat().st_size == 6_888_896


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    sizes: list[int] = []
    run("head -c 9000000 /dev/zero | tr '\\0' x", tmp_path, on_line=lambda s: sizes.append(len(s)))
    assert sum(sizes) == 9_000_000
    assert max(sizes) < 2_000_000


def test_peak_memory_counts_the_whole_tree(tmp_path: Path) -> None:
    hold = f"{sys.executable} -c \"x = b'x' * (60 << 20); import time; time.sleep(1)\""
    done = run(f"{hold} & {hold} & wait", tmp_path)
    assert 120 << 20 < done.peak_rss_bytes < 300 << 20


def test_peak_memory_sees_what_lived_briefly(tmp_path: Path) -> None:
    done = run(f"{sys.executable} -S -c \"x = b'x' * (60 << 20)\"", tmp_path)
    assert done.peak_rss_bytes > 60 << 20


def test_a_deadline_ends_the_whole_tree(tmp_path: Path) -> None:
    with pytest.raises(ToolTimeoutError, match="did not end within 3 s"):
        run(TREE, tmp_path, deadline_s=3)
    assert pids(tmp_path)
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_a_tool_that_prints_nothing_is_stopped(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5; do echo $i; sleep 0.5; done; echo $$ > pids; exec sleep 300"
    seen: list[str] = []
    with pytest.raises(ToolTimeoutError, match="printed nothing for 2 s"):
        run(script, tmp_path, stall_s=2, on_line=seen.append)
    assert seen == ["1", "2", "3", "4", "5"]
    assert_all_gone(tmp_path)


def test_a_tool_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with pytest.raises(ToolTimeoutError):
        run(IGNORES_TERM, tmp_path, deadline_s=2)
    assert pids(tmp_path)
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_what_a_tool_leaves_running_is_stopped(tmp_path: Path) -> None:
    done = run("setsid sleep 300 & echo $! > pids", tmp_path)
    assert done.returncode == 0
    assert_all_gone(tmp_path)


def test_what_a_tool_leaves_running_may_finish_shortly(tmp_path: Path) -> None:
    run("(sleep 0.1; echo flushed) &", tmp_path)
    assert (tmp_path / "tool.log").read_text() == "flushed\n"


def test_an_error_in_on_line_ends_the_tree(tmp_path: Path) -> None:
    def on_line(line: str) -> None:
        raise RuntimeError(line)

    with pytest.raises(RuntimeError, match="ready"):
        run(TREE.replace("wait", "echo ready; wait"), tmp_path, on_line=on_line)
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_ctrl_c_ends_the_tree(tmp_path: Path) -> None:
    def interrupt() -> None:
        until(lambda: len(pids(tmp_path)) == 4)
        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(TREE, tmp_path)
    thread.join()
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_tools_run_side_by_side_in_threads(tmp_path: Path) -> None:
    runs: list[ToolRun] = []

    def one(number: int) -> None:
        directory = tmp_path / str(number)
        directory.mkdir()
        runs.append(run(f"echo {number}; sleep 0.2", directory))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done.log.read_text() for done in runs) == [f"{n}\n" for n in range(8)]


def test_a_process_with_many_open_files_runs_tools(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    opened = [os.dup(0) for _ in range(1100)]
    try:
        assert run("true", tmp_path).returncode == 0
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def start_flow(script: str, cwd: Path, on_line: str = "print") -> "subprocess.Popen[bytes]":
    """Start a Python process that runs a shell script as a tool."""
    code = f"""
import os, sys, time
from pathlib import Path
from tasks.processes.run import run_tool
def fork(line):
    if os.fork() == 0:
        Path("forked").write_text(str(os.getpid()))
        time.sleep(300)
run_tool(["sh", "-c", sys.argv[1]], cwd=Path(), log=Path("tool.log"), step="s", deadline_s=300,
         on_line={on_line})
"""
    return subprocess.Popen(
        [sys.executable, "-c", code, script],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(("script", "size"), [(TREE, 4), (IGNORES_TERM, 1)])
def test_kill_9_of_the_flow_ends_the_tree(tmp_path: Path, script: str, size: int) -> None:
    flow = start_flow(script, tmp_path)
    until(lambda: len(pids(tmp_path)) == size)
    flow.kill()
    flow.wait()
    assert_all_gone(tmp_path)


def test_a_forked_copy_of_the_flow_does_not_keep_the_tool_alive(tmp_path: Path) -> None:
    flow = start_flow("echo $$ > pids; echo ready; exec sleep 300", tmp_path, on_line="fork")
    forked = tmp_path / "forked"
    until(lambda: forked.exists() and forked.read_text())
    flow.kill()
    flow.wait()
    try:
        assert_all_gone(tmp_path)
    finally:
        os.kill(int(forked.read_text()), signal.SIGKILL)


def test_ctrl_c_again_while_the_tool_is_stopped_still_ends_the_tree(tmp_path: Path) -> None:
    flow = start_flow(IGNORES_TERM, tmp_path)
    until(lambda: pids(tmp_path))
    for _ in range(3):
        flow.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert flow.wait() != 0
    assert_all_gone(tmp_path)


def guard_of(pid: int) -> int:
    """Return the process above a tool."""
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


def test_kill_9_of_the_guard_ends_the_tool_and_is_an_error(tmp_path: Path) -> None:
    def kill_guard() -> None:
        until(lambda: pids(tmp_path))
        os.kill(guard_of(pids(tmp_path)[0]), signal.SIGKILL)

    thread = threading.Thread(target=kill_guard)
    thread.start()
    with pytest.raises(ToolError, match="was killed"):
        run("echo $$ > pids; exec sleep 300", tmp_path)
    thread.join()
    assert_all_gone(tmp_path)


@pytest.mark.parametrize(("script", "size"), [(TREE, 4), (POLITE, 1)])
def test_sigterm_to_the_guard_ends_the_tree(tmp_path: Path, script: str, size: int) -> None:
    def end_guard() -> None:
        until(lambda: len(pids(tmp_path)) == size)
        os.kill(guard_of(int((tmp_path / "tool").read_text())), signal.SIGTERM)

    thread = threading.Thread(target=end_guard)
    thread.start()
    with pytest.raises(ToolError, match="was ended by SIGTERM"):
        run(script, tmp_path)
    thread.join()
    assert_all_gone(tmp_path)
