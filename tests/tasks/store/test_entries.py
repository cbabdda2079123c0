"""Entries are built once, whole, and found again; people list and prune them."""

import errno
import fcntl
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.core.errors import StoreError, ToolError
from tasks.core.records.base import Entry
from tasks.core.records.design import FixedPoint, Stream
from tasks.core.records.measurement import LatencyFit
from tasks.processes.run import run_tool
from tasks.store import local
from tasks.store.store import Store
from tests.tasks.store.conftest import ENTRY, INPUTS, RECORD, build, everything, filled, get, other


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


# What a person does with a store.


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


# What somebody else may have put into its place.


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_directory(path: Path) -> None:
    path.mkdir()


def a_link_loop(path: Path) -> None:
    path.symlink_to(path)


def deeply_nested(path: Path) -> None:
    path.write_text("[" * 200_000)


def of_four_gigabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(4 << 30)


@pytest.mark.parametrize(
    "place", [a_pipe, a_directory, a_link_loop, deeply_nested, of_four_gigabytes]
)
def test_whatever_has_the_manifest_s_name_is_set_aside_without_a_hang(
    store: Store, tmp_path: Path, place: Callable[[Path], None]
) -> None:
    get(store, build)
    path = tmp_path / "store/convert" / ENTRY.digest / "entry.json"
    path.unlink()
    place(path)
    assert list(store.list()) == []
    assert not Store(tmp_path / "store").verify(ENTRY)
    assert get(Store(tmp_path / "store"), build) == RECORD


@pytest.mark.parametrize("place", [a_link_loop, lambda path: path.write_text("a file")])
def test_whatever_has_an_entry_s_name_is_set_aside(
    store: Store, tmp_path: Path, place: Callable[[Path], None]
) -> None:
    path = tmp_path / "store/convert" / ENTRY.digest
    path.parent.mkdir(parents=True)
    place(path)
    assert get(store, build) == RECORD


def test_prune_leaves_stray_files_alone(store: Store, tmp_path: Path) -> None:
    get(store, build)
    for name in ("tmp", "failed", "corrupt"):
        (tmp_path / "store" / name).mkdir(exist_ok=True)
        (tmp_path / "store" / name / "README-of-mine").touch()
    assert [info.entry for info in Store(tmp_path / "store").prune(keep_bytes=10**9)] == []


def test_two_prunes_at_once_do_not_disturb_each_other(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = tmp_path / "store/failed/convert-0-0"
    aside.mkdir(parents=True)
    os.utime(aside, (0, 0))
    real = local._children

    def vanishing(directory: Path) -> Iterator[Path]:
        for path in real(directory):
            shutil.rmtree(path)  # the other one was faster
            yield path

    monkeypatch.setattr(local, "_children", vanishing)
    assert store.prune() == []


def test_looking_at_an_entry_s_record_does_not_use_it(tmp_path: Path) -> None:
    store = filled(tmp_path, [10, 20])
    before = [info.used for info in store.list()]
    assert list(store.records("package", FixedPoint)) == [RECORD, RECORD]
    assert [info.used for info in store.list()] == before
    assert len(store.prune(keep_bytes=0)) == 2
    assert list(store.records("package", FixedPoint)) == []


def test_a_record_of_another_version_is_skipped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert list(filled(tmp_path, [10]).records("package", Stream)) == []
    assert "skipping package-" in caplog.text


def test_a_file_system_without_locks_is_named(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_file: object, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(StoreError, match="OVERLAYFLOW_STORE"):
        get(store, build)
