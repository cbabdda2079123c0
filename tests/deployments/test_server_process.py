import subprocess
import sys
from pathlib import Path

# As in a Prefect server whose client went away: its cursor is in a cycle, another statement of its
# connection waits for the write lock, and this thread must go on for the lock to be released.
SERVER = """
import sqlite3, sys, threading, time, weakref

class Request:
    def __init__(self, cursor):
        self.cursor, self.cycle = cursor, self

def connect(wait_s):
    return sqlite3.connect(
        sys.argv[1], timeout=wait_s, isolation_level=None, check_same_thread=False
    )

def wait():
    try:
        waiting.execute("BEGIN IMMEDIATE")
        print("served")
    except sqlite3.OperationalError as error:
        print(error)

holding, waiting = connect(0), connect(120)  # all generations are collected within 60 s
request = Request(waiting.execute("VALUES (1), (2)"))
holding.execute("BEGIN IMMEDIATE")
thread = threading.Thread(target=wait)
thread.start()
time.sleep(0.5)  # nothing shows that SQLite waits
left = weakref.ref(request)
del request
while left() is not None:
    made = [[] for _ in range(1000)]
    time.sleep(0.01)
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
