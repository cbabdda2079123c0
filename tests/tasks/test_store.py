"""Promises of tasks/store.py, with real processes, real disks and real shared stores."""

import errno
import math
import os
import resource
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import StoreError, ToolError
from tasks.records import Entry, FixedPoint, LatencyFit, Stream
from tasks.storage import claims
from tasks.storage.remote import Remote
from tasks.store import Store, digest
from tasks.toolchains.process import run_tool

ROOT = Path(__file__).resolve().parents[2]
INPUTS = {"model": "abc", "period": 10.0}
ENTRY = Entry(step="convert", digest=digest("convert", 1, INPUTS))
RECORD = FixedPoint(width=8, integer=3)


def other(number: int) -> Entry:
    return Entry(step="package", digest=digest("package", 1, {"number": number}))


def build(files: Path) -> FixedPoint:
    (files / "sub").mkdir()
    (files / "sub/a.txt").write_text("content")
    (files / "tool.sh").write_text("#!/bin/sh\n")
    (files / "tool.sh").chmod(0o755)
    (files / "convert.log").write_text("log")
    return RECORD


def never(files: Path) -> FixedPoint:
    raise AssertionError(f"built again in {files}")


def get(store: Store, builder: Callable[[Path], FixedPoint] = never) -> FixedPoint:
    return store.get_or_build(ENTRY, INPUTS, FixedPoint, builder, label="digits")


def everything(root: Path) -> set[str]:
    """Return all files of a store, without the locks' empty directory."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_an_entry_is_built_once_and_found_again(store: Store, tmp_path: Path) -> None:
    assert not store.has(ENTRY)
    assert get(store, build) == RECORD
    again = Store(str(tmp_path / "store"))
    assert again.has(ENTRY)
    assert get(again) == RECORD
    assert again.record(ENTRY, FixedPoint) == RECORD
    assert (again.files(ENTRY) / "sub/a.txt").read_text() == "content"
    assert again.verify(ENTRY)


def test_a_store_holds_nothing_but_its_entries(store: Store, tmp_path: Path) -> None:
    get(store, build)
    directory = f"convert/{ENTRY.digest}"
    assert everything(tmp_path / "store") == {
        f"{directory}/entry.json",
        f"{directory}/files/sub/a.txt",
        f"{directory}/files/tool.sh",
        f"{directory}/files/convert.log",
    }


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    contents=st.dictionaries(st.text("abc", min_size=1, max_size=4), st.binary(), max_size=4),
    stream=st.builds(
        Stream, shape=st.tuples(st.integers(1, 9)), element=st.builds(FixedPoint, width=st.just(8))
    ),
)
def test_files_and_records_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes], stream: Stream
) -> None:
    def fill(files: Path) -> Stream:
        for name, content in contents.items():
            (files / name).write_bytes(content)
        return stream

    store = Store(tmp_path_factory.mktemp("store"))
    assert store.get_or_build(ENTRY, INPUTS, Stream, fill) == stream
    assert store.record(ENTRY, Stream) == stream
    found = {path.name: path.read_bytes() for path in store.files(ENTRY).iterdir()}
    assert found == contents


def test_an_absent_entry_is_an_error_with_a_remedy(store: Store) -> None:
    for call in (lambda: store.files(ENTRY), lambda: store.record(ENTRY, FixedPoint)):
        with pytest.raises(StoreError, match="is not in the store") as caught:
            call()
        assert "run the convert step again" in caught.value.remedy
    assert not store.verify(ENTRY)


@pytest.mark.parametrize("name", ["entry.json", "files/sub/a.txt"])
@pytest.mark.parametrize("change", ["flip", "truncate", "remove"])
def test_a_corrupt_entry_is_set_aside_and_built_again(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, change: str
) -> None:
    get(store, build)
    path = tmp_path / "store/convert" / ENTRY.digest / name
    content = path.read_bytes()
    path.unlink()
    if change != "remove":
        path.write_bytes(content[:-1] + (b"" if change == "truncate" else b"#"))
    assert get(Store(tmp_path / "store"), build) == RECORD
    assert path.read_bytes()[-1:] == content[-1:]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    (aside,) = (tmp_path / "store/corrupt").iterdir()
    assert aside.name.startswith(f"convert-{ENTRY.digest[:12]}-")


def test_verify_sets_a_corrupt_entry_aside(store: Store) -> None:
    get(store, build)
    (store.files(ENTRY) / "sub/a.txt").write_text("changed")
    assert not store.verify(ENTRY)
    assert not store.has(ENTRY)


def test_an_entry_whose_record_is_of_an_older_version_is_built_again(store: Store) -> None:
    store.get_or_build(ENTRY, INPUTS, Entry, lambda _: ENTRY)
    assert get(store, build) == RECORD


def test_a_build_that_fails_leaves_its_logs_only(store: Store, tmp_path: Path) -> None:
    def fail(files: Path) -> FixedPoint:
        (files / "work").mkdir()
        (files / "work/half.bit").write_text("half")
        run_tool(
            ["sh", "-c", "echo ERROR: cause; exit 1"],
            cwd=files,
            log=files / "work/tool.log",
            step="convert",
            deadline_s=60,
        )
        return RECORD

    with pytest.raises(ToolError, match="ERROR: cause") as caught:
        get(store, fail)
    log = caught.value.log
    assert log is not None
    assert log.read_text() == "ERROR: cause\n"
    assert str(log) in str(caught.value)
    (name,) = everything(tmp_path / "store")
    assert name.startswith(f"failed/convert-{ENTRY.digest[:12]}-")
    assert not store.has(ENTRY)
    assert get(store, build) == RECORD


def test_ctrl_c_in_a_build_leaves_nothing(store: Store, tmp_path: Path) -> None:
    def interrupted(files: Path) -> FixedPoint:
        (files / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(store, interrupted)
    assert everything(tmp_path / "store") == set()
    get(store, build)


def test_a_record_that_does_not_survive_json_is_refused_and_leaves_nothing(
    store: Store, tmp_path: Path
) -> None:
    fit = LatencyFit(overhead_s=math.nan, per_sample_s=1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.get_or_build(ENTRY, INPUTS, LatencyFit, lambda _: fit)
    assert everything(tmp_path / "store") == set()


# Other processes.

SLOW_BUILD = """
import os, sys, time
from pathlib import Path
from tasks.records import Entry, FixedPoint
from tasks.storage.remote import Remote
from tasks.store import Store
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
    deadline = time.monotonic() + 30
    while not list((tmp_path / "store").glob("tmp/*/files/half.log")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


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


# What a person does with a store.


def filled(root: Path, sizes: list[int]) -> Store:
    """Return a store with entries that were used one after the other, the first longest ago."""
    for number, size in enumerate(sizes):
        entry = other(number)

        def fill(files: Path, size: int = size) -> FixedPoint:
            (files / "data").write_bytes(bytes(size))
            return RECORD

        Store(root).get_or_build(entry, {"number": number}, FixedPoint, fill, label=str(number))
        used = time.time() - 86400 * (len(sizes) - number)
        os.utime(root / "package" / entry.digest / "entry.json", (used, used))
    return Store(root)


def test_list_says_what_is_there(tmp_path: Path) -> None:
    store = filled(tmp_path, [10, 20, 30])
    infos = sorted(store.list(), key=lambda info: info.label)
    assert [(info.entry, info.label, info.size) for info in infos] == [
        (other(0), "0", 10),
        (other(1), "1", 20),
        (other(2), "2", 30),
    ]
    assert infos[0].used < infos[1].used < infos[2].used < infos[0].created


def test_prune_removes_what_was_used_longest_ago_first(tmp_path: Path) -> None:
    store = filled(tmp_path, [10, 20, 30, 40])
    assert store.prune(keep_bytes=100) == []
    assert [info.entry for info in store.prune(keep_bytes=75)] == [other(0), other(1)]
    assert {info.entry for info in store.list()} == {other(2), other(3)}


def test_a_look_up_counts_as_use(tmp_path: Path) -> None:
    store = filled(tmp_path, [10, 20, 30])
    Store(tmp_path).files(other(0))
    assert [info.entry for info in store.prune(keep_bytes=40)] == [other(1)]


def test_prune_removes_what_was_not_used_for_long(tmp_path: Path) -> None:
    store = filled(tmp_path, [10, 20, 30])
    removed = store.prune(older_than=timedelta(days=1.5))
    assert [info.entry for info in removed] == [other(0), other(1)]


def test_prune_removes_what_was_set_aside_a_week_ago(store: Store, tmp_path: Path) -> None:
    for name in ("failed", "corrupt"):
        for age_days in (6, 8):
            directory = tmp_path / "store" / name / f"convert-0-{age_days}"
            directory.mkdir(parents=True)
            (directory / "tool.log").touch()
            then = time.time() - 86400 * age_days
            os.utime(directory, (then, then))
    store.prune()
    assert everything(tmp_path / "store") == {
        "failed/convert-0-6/tool.log",
        "corrupt/convert-0-6/tool.log",
    }


def test_an_unreadable_entry_is_left_out_of_the_list_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = filled(tmp_path, [10, 20])
    (tmp_path / "package" / other(0).digest / "entry.json").write_text("{")
    assert [info.entry for info in store.list()] == [other(1)]
    assert "cannot be read" in caplog.text


# Disks that are full, read-only or not ours.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 1 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield mount
    subprocess.run(["umount", "--lazy", mount], check=True)


def too_big(files: Path) -> FixedPoint:
    (files / "tool.log").write_text("as far as it came")
    (files / "big").write_bytes(bytes(2 << 20))
    return RECORD


def test_a_full_disk_is_an_error_with_a_remedy_and_leaves_nothing(small_disk: Path) -> None:
    store = Store(small_disk / "store")
    with pytest.raises(StoreError, match="No space left on device") as caught:
        get(store, too_big)
    assert "overlayflow store prune" in caught.value.remedy
    assert all(name.endswith("tool.log") for name in everything(small_disk))
    assert get(store, build) == RECORD


def test_a_full_disk_can_be_pruned(small_disk: Path) -> None:
    filled(small_disk / "store", [300_000, 300_000])
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}"], check=False, capture_output=True)
    store = Store(small_disk / "store")
    with pytest.raises(StoreError, match="No space left on device"):
        get(store, build)
    assert len(store.prune(keep_bytes=300_000)) == 1
    assert get(store, build) == RECORD


def test_a_limit_on_file_sizes_is_an_error_with_a_remedy(store: Store, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(StoreError, match="File too large") as caught:
            get(store, too_big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "ulimit" in caught.value.remedy
    assert all(name.endswith("tool.log") for name in everything(tmp_path / "store"))


def test_a_full_disk_at_the_very_end_leaves_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        get(store, build)
    monkeypatch.undo()
    assert everything(tmp_path / "store") == set()
    assert get(store, build) == RECORD


def test_a_read_only_store_is_read(small_disk: Path) -> None:
    get(Store(small_disk), build)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    store = Store(small_disk)
    assert get(store) == RECORD
    assert store.files(ENTRY).is_dir()
    with pytest.raises(StoreError, match="Read-only file system") as caught:
        store.get_or_build(other(1), {}, FixedPoint, never)
    assert "another place" in caught.value.remedy


@pytest.mark.parametrize("place", ["file", "file/store"])
def test_a_place_that_cannot_hold_a_store_is_an_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Not a directory") as caught:
        get(Store(tmp_path / place))
    assert "another place" in caught.value.remedy


def test_a_store_without_the_rights_is_an_error(tmp_path: Path) -> None:
    store = Store(tmp_path / "locked/store")
    (tmp_path / "locked").mkdir(mode=0)
    user = os.geteuid()
    if user == 0:  # nothing is forbidden to root
        os.seteuid(65534)
    try:
        with pytest.raises(StoreError, match="Permission denied") as caught:
            get(store)
    finally:
        os.seteuid(user)
    assert "rights" in caught.value.remedy


def test_errors_of_a_build_with_the_users_files_stay_what_they_are(store: Store) -> None:
    def unreadable(_: Path) -> FixedPoint:
        raise PermissionError(errno.EACCES, "Permission denied", "/home/somebody/model.keras")

    with pytest.raises(PermissionError):
        get(store, unreadable)


# Stores that several machines share.


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the address of an empty shared store."""
    if request.param == "file":
        yield f"file://{tmp_path}/shared"
        return
    fsspec.filesystem("memory").store.clear()
    yield f"memory://{tmp_path.name}/shared"
    fsspec.filesystem("memory").store.clear()


def shared_objects(url: str) -> list[str]:
    filesystem, root = fsspec.core.url_to_fs(url)
    return sorted(path.removeprefix(root) for path in filesystem.find(root))


def change_object(url: str, change: Callable[[bytes], bytes]) -> None:
    filesystem, root = fsspec.core.url_to_fs(url)
    path = f"{root}/convert/{ENTRY.digest}.tar"
    filesystem.pipe_file(path, change(filesystem.cat_file(path)))


def test_an_entry_is_shared_between_machines(url: str, tmp_path: Path) -> None:
    get(Store(url, tmp_path / "one"), build)
    assert shared_objects(url) == [f"/convert/{ENTRY.digest}.tar"]
    there = Store(url, tmp_path / "other")
    assert there.has(ENTRY)
    assert get(there) == RECORD
    assert (there.files(ENTRY) / "sub/a.txt").read_text() == "content"
    assert os.access(there.files(ENTRY) / "tool.sh", os.X_OK)
    assert not os.access(there.files(ENTRY) / "sub/a.txt", os.X_OK)


def test_of_two_machines_that_want_an_entry_one_builds_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "POLL_S", 0.05)
    building, finish = threading.Event(), threading.Event()

    def slowly(out: Path) -> FixedPoint:
        building.set()
        assert finish.wait(30)
        return build(out)

    with ThreadPoolExecutor(2) as machines:
        one = machines.submit(get, Store(url, tmp_path / "one"), slowly)
        assert building.wait(30)
        other = machines.submit(get, Store(url, tmp_path / "other"))  # it may not build
        assert wait([other], timeout=0.3).not_done
        finish.set()
        assert one.result(30) == other.result(30) == RECORD
    assert shared_objects(url) == [f"/convert/{ENTRY.digest}.tar"]


def test_what_a_machine_that_is_gone_was_making_is_made_by_another(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "POLL_S", 0.05)
    monkeypatch.setattr(claims, "STALE_S", 0.5)
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.makedirs(f"{root}/claims", exist_ok=True)
    claim = f"{root}/claims/convert-{ENTRY.digest}"
    filesystem.pipe_file(claim, f"other {time.time()}".encode())
    assert get(Store(url, tmp_path / "one"), build) == RECORD
    assert shared_objects(url) == [f"/convert/{ENTRY.digest}.tar"]


def test_a_claim_is_kept_for_as_long_as_the_build_takes(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BEAT_S", 0.05)
    filesystem, root = fsspec.core.url_to_fs(url)
    claim = f"{root}/claims/convert-{ENTRY.digest}"

    def slowly(out: Path) -> FixedPoint:
        first = filesystem.cat_file(claim)
        deadline = time.monotonic() + 30
        while filesystem.cat_file(claim) in {first, b""}:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return build(out)

    assert get(Store(url, tmp_path / "one"), slowly) == RECORD


def test_files_and_records_are_fetched_on_demand(url: str, tmp_path: Path) -> None:
    get(Store(url, tmp_path / "one"), build)
    assert (Store(url, tmp_path / "two").files(ENTRY) / "tool.sh").exists()
    assert Store(url, tmp_path / "three").record(ENTRY, FixedPoint) == RECORD
    assert Store(url, tmp_path / "four").verify(ENTRY)
    with pytest.raises(StoreError, match="is not in the store"):
        Store(url, tmp_path / "five").files(other(1))


def test_a_corrupt_local_copy_is_fetched_again(url: str, tmp_path: Path) -> None:
    store = Store(url, tmp_path / "one")
    get(store, build)
    (store.files(ENTRY) / "sub/a.txt").write_text("changed")
    assert get(store) == RECORD
    assert (store.files(ENTRY) / "sub/a.txt").read_text() == "content"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"content", b"changed"),
        lambda data: data.replace(b'"label"', b'"lapel"'),
        lambda data: data[: len(data) // 3],
        lambda data: data[:600],
        lambda _: b"no archive",
        lambda _: b"",
    ],
    ids=["file", "manifest", "truncated", "without files", "nonsense", "empty"],
)
def test_a_corrupt_shared_object_is_reported_and_replaced(
    url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[bytes], bytes],
) -> None:
    get(Store(url, tmp_path / "one"), build)
    change_object(url, change)
    assert get(Store(url, tmp_path / "two"), build) == RECORD
    assert "is corrupt in the shared store" in caplog.text
    assert get(Store(url, tmp_path / "three")) == RECORD
    assert len(shared_objects(url)) == 1


@pytest.mark.parametrize("name", ["../../../evil", "{outside}/evil", "files/../../evil"])
def test_a_shared_object_cannot_write_outside_of_its_entry(
    url: str, tmp_path: Path, name: str
) -> None:
    get(Store(url, tmp_path / "one"), build)
    evil = tmp_path / "archive.tar"
    with tarfile.open(evil, "w") as tar:
        tar.addfile(tarfile.TarInfo(name.format(outside=tmp_path / "outside")))
    change_object(url, lambda _: evil.read_bytes())
    assert get(Store(url, tmp_path / "two"), build) == RECORD
    assert list(tmp_path.rglob("evil")) == []


def test_links_in_a_shared_object_are_refused(url: str, tmp_path: Path) -> None:
    get(Store(url, tmp_path / "one"), build)
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as tar:
        link = tarfile.TarInfo("files")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("files/planted"))
    change_object(url, lambda _: evil.read_bytes())
    assert get(Store(url, tmp_path / "two"), build) == RECORD
    assert not (tmp_path / "planted").exists()


def test_a_shared_store_that_cannot_be_written_loses_no_build(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "shared").write_text("in the way")
    url = f"file://{tmp_path}/shared"
    store = Store(url, tmp_path / "cache")
    assert get(store, build) == RECORD
    assert "is on this machine only" in caplog.text
    (tmp_path / "shared").unlink()
    assert get(store) == RECORD
    assert shared_objects(url) == [f"/convert/{ENTRY.digest}.tar"]


def test_an_upload_that_fails_half_way_changes_nothing(url: str, tmp_path: Path) -> None:
    directory = tmp_path / "cache/convert" / ENTRY.digest
    get(Store(url, tmp_path / "cache"), build)
    (directory / "files").rename(tmp_path / "gone")
    change_object(url, lambda _: b"as before")
    with pytest.raises(StoreError, match="cannot be used"):
        Remote(url).put(ENTRY, directory)
    assert shared_objects(url) == [f"/convert/{ENTRY.digest}.tar"]
    assert Remote(url).has(ENTRY)


def test_the_cache_of_a_shared_store_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = Store("memory://somewhere/else")
    get(store, build)
    assert store.files(ENTRY).is_relative_to(tmp_path / "overlayflow/stores")


def test_an_address_that_nothing_installed_can_reach_is_an_error() -> None:
    with pytest.raises(StoreError, match="nonsense") as caught:
        Store("nonsense://somewhere")
    assert caught.value.remedy
