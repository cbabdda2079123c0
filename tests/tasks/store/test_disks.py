"""Disks that are full, read-only or not ours."""

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.core.errors import StoreError
from tasks.core.records.design import FixedPoint
from tasks.store.store import Store
from tests.tasks.store.conftest import ENTRY, RECORD, build, everything, filled, get, never, other


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


@pytest.mark.slow
def test_a_full_disk_is_an_error_with_a_remedy_and_leaves_nothing(small_disk: Path) -> None:
    store = Store(small_disk / "store")
    with pytest.raises(StoreError, match="No space left on device") as caught:
        get(store, too_big)
    assert "overlayflow store prune" in caught.value.remedy
    assert all(name.endswith("tool.log") for name in everything(small_disk))
    assert get(store, build) == RECORD


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert "permissions" in caught.value.remedy


@contextmanager
def acting_as(user: int, group: int, umask: int) -> Iterator[None]:
    """Be another user for a while."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    before = os.umask(umask)
    os.setegid(group)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.umask(before)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A directory that everybody reaches and the first user owns."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    place = tmp_path / "lab"
    place.mkdir()
    if os.geteuid() == 0:
        os.chown(place, 31001, 31000)
    return place


@pytest.mark.slow
def test_a_store_of_another_user_is_read_and_says_how_to_share_it(lab: Path) -> None:
    with acting_as(31001, 31001, 0o022):
        assert get(Store(lab / "store"), build) == RECORD
    with acting_as(31002, 31002, 0o022):
        store = Store(lab / "store")
        assert get(store, never) == RECORD
        with pytest.raises(StoreError, match="Permission denied") as caught:
            store.get_or_build(other(1), {}, FixedPoint, never)
    assert str(lab / "store") in caught.value.where
    assert "umask 002" in caught.value.remedy
    assert f"chmod -R g+rwX {lab / 'store'}" in caught.value.remedy


@pytest.mark.slow
def test_two_users_of_one_group_share_a_store(lab: Path) -> None:
    lab.chmod(0o2775)
    with acting_as(31001, 31000, 0o002):
        assert get(Store(lab / "store"), build) == RECORD
    with acting_as(31002, 31000, 0o002):
        store = Store(lab / "store")
        assert get(store, never) == RECORD
        assert store.get_or_build(other(1), {}, FixedPoint, build) == RECORD
        del store
        assert len(Store(lab / "store").prune(keep_bytes=0)) == 2
    with acting_as(31001, 31000, 0o002):
        assert get(Store(lab / "store"), build) == RECORD


def test_errors_of_a_build_with_the_users_files_stay_what_they_are(store: Store) -> None:
    def unreadable(_: Path) -> FixedPoint:
        raise PermissionError(errno.EACCES, "Permission denied", "/home/somebody/model.keras")

    with pytest.raises(PermissionError):
        get(store, unreadable)
