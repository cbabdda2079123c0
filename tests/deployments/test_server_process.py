import subprocess
import sys
from pathlib import Path

# As in a Prefect server whose client went away: its cursor is in a cycle, another statement of its
# connection waits for the write lock, and this thread must go on for the lock to be released.
SERVER = """
import sqlite3, sys, threading

def connect(wait_s):
    return sqlite3.connect(
        sys.argv[1], timeout=wait_s, isolation_level=None, check_same_thread=False
    )

def wait():
    begun.set()
    try:
        waiting.execute("BEGIN IMMEDIATE")
        print("served")
    except sqlite3.OperationalError as error:
        print(error)

holding, waiting = connect(0), connect(5)
cycle = [waiting.execute("VALUES (1), (2)")]
cycle.append(cycle)
holding.execute("BEGIN IMMEDIATE")
begun = threading.Event()
thread = threading.Thread(target=wait)
thread.start()
begun.wait()
del cycle
made = [[] for _ in range(1_000_000)]
holding.execute("COMMIT")
thread.join()
"""


def test_a_cursor_that_a_client_left_behind_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "played.py").write_text(SERVER)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "deployments.server_process"),
            *("played", str(tmp_path / "server.db")),
        ],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "served"
