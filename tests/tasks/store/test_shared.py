"""Stores that several machines share."""

import os
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import fsspec
import pytest

from tasks.core.errors import StoreError
from tasks.core.records.design import FixedPoint
from tasks.store import claims
from tasks.store.shared import Remote
from tasks.store.store import Store
from tests.tasks.store.conftest import ENTRY, RECORD, build, get, other
from tests.tasks.store.test_files import LibraryError
from tests.waiting import free_port, until


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
        until(lambda: filesystem.cat_file(claim) not in {first, b""})
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
    with pytest.raises(StoreError, match="cannot use the store"):
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


@pytest.mark.parametrize("content", [b"", b"nonsense", b"other 99999999999", b"\xff\xfe"])
def test_a_claim_that_nobody_renews_goes_stale_by_one_s_own_clock(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(claims, "POLL_S", 0.02)
    monkeypatch.setattr(claims, "STALE_S", 0.2)
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.makedirs(f"{root}/claims", exist_ok=True)
    filesystem.pipe_file(f"{root}/claims/convert-{ENTRY.digest}", content)
    assert get(Store(url, tmp_path / "one"), build) == RECORD


def test_a_claim_that_was_taken_over_is_not_taken_back_nor_removed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(claims, "BEAT_S", 0.02)
    filesystem, root = fsspec.core.url_to_fs(url)
    claim = f"{root}/claims/convert-{ENTRY.digest}"

    def overtaken(out: Path) -> FixedPoint:
        filesystem.pipe_file(claim, b"another machine")
        until(lambda: "taken over by another machine" in caplog.text)
        return build(out)

    assert get(Store(url, tmp_path / "one"), overtaken) == RECORD
    assert filesystem.cat_file(claim) == b"another machine"


def test_an_outage_while_a_claim_is_held_ends_neither_build_nor_claim(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BEAT_S", 0.02)
    filesystem, root = fsspec.core.url_to_fs(url)
    claim = f"{root}/claims/convert-{ENTRY.digest}"
    real, failed = type(filesystem).cat_file, threading.Event()

    def down(*_args: object, **_kwargs: object) -> bytes:
        failed.set()
        raise LibraryError

    def through_an_outage(out: Path) -> FixedPoint:
        with monkeypatch.context() as patch:
            patch.setattr(type(filesystem), "cat_file", down)
            assert failed.wait(30)
        before = real(filesystem, claim)
        until(lambda: real(filesystem, claim) not in {before, b""})
        return build(out)

    assert get(Store(url, tmp_path / "one"), through_an_outage) == RECORD


@pytest.fixture
def no_s3(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a store on S3 that nobody answers at."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.filesystem("s3").clear_instance_cache()
    return "s3://bucket/store"


def test_s3_that_nobody_answers_at_is_a_store_error_that_may_pass(
    no_s3: str, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="connect") as caught:
        get(Store(no_s3, tmp_path / "cache"), build)
    assert caught.value.transient


def test_entries_on_this_machine_are_read_while_s3_is_away(no_s3: str, tmp_path: Path) -> None:
    get(Store(f"file://{tmp_path}/shared", tmp_path / "cache"), build)
    store = Store(no_s3, tmp_path / "cache")
    assert get(store) == RECORD
    assert store.verify(ENTRY)
    assert store.files(ENTRY).is_dir()
