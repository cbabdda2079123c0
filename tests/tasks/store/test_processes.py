"""Several processes and threads share a store, and some of them are killed."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from tasks.core.records.design import FixedPoint
from tasks.store.store import Store
from tests.tasks.store.conftest import ENTRY, RECORD, ROOT, build, get
from tests.waiting import until

SLOW_BUILD = """
import os, sys, time
from pathlib import Path
from tasks.core.records.base import Entry
from tasks.core.records.design import FixedPoint
from tasks.store.shared import Remote
from tasks.store.store import Store
root, digest, inputs = Path(sys.argv[1]), sys.argv[2], {"model": "abc", "period": 10.0}
def build(files):
    with (root.parent / "builds").open("a") as builds:
        builds.write(f"{os.getpid()}\\n")
    (files / "half.txt").write_text("half")
    (files / "half.log").write_text("as far as it came")
    time.sleep(float(sys.argv[3]))
    (files / "half.txt").write_text("whole")
    return FixedPoint(width=8, integer=3)
store = Store(root)
store.get_or_build(Entry(step="convert", digest=digest), inputs, FixedPoint, build)
if len(sys.argv) > 4:
    print("in use", flush=True)
    time.sleep(300)
"""


def start(tmp_path: Path, build_s: float, *more: str) -> "subprocess.Popen[str]":
    """Start a process that builds ENTRY, or uses it, in the store at tmp_path/store."""
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILD, tmp_path / "store", ENTRY.digest, str(build_s), *more],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def builds(tmp_path: Path) -> list[str]:
    path = tmp_path / "builds"
    return path.read_text().split() if path.exists() else []


def wait_for_build(tmp_path: Path) -> None:
    until(lambda: list((tmp_path / "store").glob("tmp/*/files/half.log")))


def test_of_several_processes_that_want_an_entry_one_builds_it(tmp_path: Path) -> None:
    processes = [start(tmp_path, 0.5) for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    assert len(builds(tmp_path)) == 1
    assert (Store(tmp_path / "store").files(ENTRY) / "half.txt").read_text() == "whole"
    assert not list((tmp_path / "store/locks").iterdir())


def test_of_several_threads_that_want_an_entry_one_builds_it(store: Store) -> None:
    built: list[Path] = []

    def slow(files: Path) -> FixedPoint:
        built.append(files)
        time.sleep(0.3)
        return build(files)

    threads = [threading.Thread(target=get, args=(store, slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_kill_9_in_a_build_leaves_nothing_visible_and_the_next_build_works(tmp_path: Path) -> None:
    process = start(tmp_path, 300)
    wait_for_build(tmp_path)
    store = Store(tmp_path / "store")
    assert not store.has(ENTRY)
    process.kill()
    process.wait()
    assert not store.has(ENTRY)
    assert list(store.list()) == []
    assert get(store, build) == RECORD
    assert not list((tmp_path / "store/tmp").iterdir())
    (log,) = (tmp_path / "store/failed").rglob("*.*log")
    assert log.read_text() == "as far as it came"


def test_prune_removes_the_leftovers_of_dead_processes_only(tmp_path: Path) -> None:
    process = start(tmp_path, 300)
    wait_for_build(tmp_path)
    store = Store(tmp_path / "store")
    store.prune()
    assert len(list((tmp_path / "store/tmp").iterdir())) == 1
    process.kill()
    process.wait()
    store.prune()
    assert not list((tmp_path / "store/tmp").iterdir())


def test_an_entry_that_a_process_uses_is_not_pruned(tmp_path: Path) -> None:
    process = start(tmp_path, 0, "use")
    assert process.stdout is not None
    assert process.stdout.readline() == "in use\n"
    store = Store(tmp_path / "store")
    assert store.prune(keep_bytes=0) == []
    assert store.has(ENTRY)
    process.kill()
    process.wait()
    assert [info.entry for info in store.prune(keep_bytes=0)] == [ENTRY]
    assert not store.has(ENTRY)
