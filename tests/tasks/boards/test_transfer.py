"""Packages arrive whole or not at all, and once; results come back the same way."""

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from pydantic import SecretStr

from board.twin.sessions import Sessions
from tasks.boards.address import BoardAddress
from tasks.boards.ssh import connect
from tasks.boards.transfer import deploy, fetch
from tasks.core.errors import BoardBusyError, BoardError, BoardUnreachableError, InputError

MakePackage = Callable[..., tuple[Path, str]]
CutAfter = Callable[[BoardAddress, int], AbstractContextManager[BoardAddress]]

BIG = 3_000_000


@contextlib.contextmanager
def in_use(directory: Path) -> Iterator[None]:
    """A program runs in the directory, as board/guard.py marks it."""
    descriptor = os.open(directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    yield
    os.close(descriptor)


class FullDisk(asyncssh.SFTPServer):
    """SFTP onto a disk with little room."""

    room = BIG // 2

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        if offset + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(file_obj, offset, data)


class Open(asyncssh.SSHServer):
    """Everybody may log in."""

    def begin_auth(self, username: str) -> bool:
        return not username


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[BoardAddress]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def serve() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Open,
            server_host_keys=[key],
            process_factory=Sessions("/bin/sh", os.environ, str(tmp_path)).handle,
            sftp_factory=FullDisk,
            encoding=None,
            line_editor=False,
        )

    acceptor = asyncio.run_coroutine_threadsafe(serve(), loop).result()
    yield BoardAddress(
        name="full",
        kind="pynq-z2",
        host="127.0.0.1",
        port=acceptor.get_port(),
        host_key=key.export_public_key().decode(),
        password=SecretStr(""),
        directory=str(tmp_path / "board"),
    )
    loop.call_soon_threadsafe(acceptor.close)
    asyncio.run_coroutine_threadsafe(acceptor.wait_closed(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def brought(board: BoardAddress, package: tuple[Path, str], keep: int = 5) -> tuple[Path, int]:
    with connect(board) as connection:
        deployed = deploy(connection, *package, keep=keep)
    return Path(deployed.directory), deployed.sent_bytes


def entries(board: BoardAddress, name: str) -> list[str]:
    return sorted(path.name for path in (Path(board.directory) / name).iterdir())


def test_package_arrives_and_is_not_sent_twice(
    board: BoardAddress, make_package: MakePackage
) -> None:
    archive, digest = make_package()
    directory, sent = brought(board, (archive, digest))
    assert (directory / "board/run.py").read_bytes() == b"1"
    assert directory == Path(board.directory) / "deployments" / digest[:16]
    assert sent == archive.stat().st_size
    assert brought(board, (archive, digest)) == (directory, 0)
    assert entries(board, "incoming") == []


def test_progress_grows_up_to_the_size(board: BoardAddress, make_package: MakePackage) -> None:
    archive, digest = make_package(BIG)
    seen: list[tuple[int, int]] = []
    with connect(board) as connection:
        deploy(
            connection, archive, digest, on_progress=lambda done, total: seen.append((done, total))
        )
    size = archive.stat().st_size
    assert seen == sorted(seen)
    assert seen[-1] == (size, size)


def test_transfer_that_was_cut_continues_where_it_stopped(
    board: BoardAddress, make_package: MakePackage, cut_after: CutAfter
) -> None:
    # What was under way when the link broke is lost: up to 2 MB in OpenSSH's window, and more.
    package = make_package(5 * BIG)
    with cut_after(board, 4 * BIG) as link, pytest.raises(BoardUnreachableError):
        brought(link, package)
    assert entries(board, "deployments") == []
    directory, sent = brought(board, package)
    assert 0 < sent < 4 * BIG
    assert (directory / "data.bin").stat().st_size == 5 * BIG


def test_beginning_of_something_else_is_not_continued(
    some_board: BoardAddress, make_package: MakePackage
) -> None:
    archive, digest = make_package(BIG)
    incoming = Path(some_board.directory) / "incoming"
    incoming.mkdir(parents=True)
    for beginning in (b"x" * 1000, archive.read_bytes() + b"more"):
        (incoming / f"{digest}.part").write_bytes(beginning)
        directory, sent = brought(some_board, (archive, digest))
        assert sent == archive.stat().st_size
        shutil.rmtree(directory)


@pytest.mark.parametrize("victim", ["data.bin", "manifest.json", ".overlayflow.json"])
def test_package_that_was_damaged_on_the_board_is_sent_again(
    some_board: BoardAddress,
    make_package: MakePackage,
    victim: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    package = make_package()
    directory, sent = brought(some_board, package)
    content = bytearray((directory / victim).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / victim).write_bytes(content)
    assert brought(some_board, package) == (directory, sent)
    assert "was damaged" in caplog.text
    assert brought(some_board, package) == (directory, 0)


def test_damaged_package_in_which_a_program_runs_is_left_alone(
    some_board: BoardAddress, make_package: MakePackage
) -> None:
    package = make_package()
    directory, _ = brought(some_board, package)
    (directory / "data.bin").write_bytes(b"")
    with in_use(directory), pytest.raises(BoardBusyError):
        brought(some_board, package)
    assert brought(some_board, package)[1] > 0


def test_archive_of_another_digest_is_not_installed(
    some_board: BoardAddress, make_package: MakePackage
) -> None:
    archive, _ = make_package()
    with pytest.raises(InputError, match="not the package"):
        brought(some_board, (archive, "0" * 64))
    assert entries(some_board, "deployments") == entries(some_board, "incoming") == []


@pytest.mark.parametrize(
    "fault", [{"claimed": "0" * 64}, {"extra": "more.txt"}, {"extra": "../../escaped"}]
)
def test_package_that_is_not_what_its_manifest_says_is_not_installed(
    some_board: BoardAddress, make_package: MakePackage, fault: dict[str, str]
) -> None:
    with pytest.raises(InputError, match="not a package"):
        brought(some_board, make_package(**fault))
    assert entries(some_board, "deployments") == entries(some_board, "incoming") == []
    assert not list(Path(some_board.directory).parent.rglob("escaped"))


def test_old_deployments_are_pruned_but_none_that_is_used_or_not_ours(
    board: BoardAddress, make_package: MakePackage
) -> None:
    directories = [brought(board, make_package(seed=seed))[0] for seed in range(4)]
    mine = directories[0].parent / "0123456789abcdef"
    mine.mkdir()
    for age, directory in enumerate(reversed([mine, *directories])):
        os.utime(directory, (1e9 - age, 1e9 - age))
    with in_use(directories[0]):
        newest, _ = brought(board, make_package(seed=9), keep=3)
    kept = {mine, directories[0], directories[2], directories[3], newest}
    assert set(newest.parent.iterdir()) == kept


def test_package_used_again_is_among_the_newest(
    some_board: BoardAddress, make_package: MakePackage
) -> None:
    packages = [make_package(seed=seed) for seed in range(3)]
    directories = [brought(some_board, package)[0] for package in packages[:2]]
    for directory in directories:
        os.utime(directory, (1e9, 1e9))
    brought(some_board, packages[0])
    newest, _ = brought(some_board, packages[2], keep=2)
    assert set(newest.parent.iterdir()) == {directories[0], newest}


def test_package_larger_than_the_free_space_is_refused_with_figures(
    some_board: BoardAddress, make_package: MakePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(Path(some_board.directory).parent).free
    monkeypatch.setattr("tasks.boards.transfer._SPARE_BYTES", free + 1_000_000_000)
    with pytest.raises(BoardError, match=r"needs \d+\.\d MB, \d+\.\d MB are free") as caught:
        brought(some_board, make_package())
    assert not caught.value.transient


def test_data_that_would_fill_the_boards_memory_are_refused_before_they_are_sent(
    some_board: BoardAddress, make_package: MakePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.boards.transfer._SPARE_MEMORY_BYTES", 1 << 50)
    with pytest.raises(BoardError, match=r"(?s)measuring takes about \d+ MB, \d+ MB are available"):
        brought(some_board, make_package())
    parts = (Path(some_board.directory) / "incoming").glob("*.part")
    assert [part.stat().st_size for part in parts] == [0]


def test_disk_that_fills_up_on_the_way_is_reported_and_the_transfer_continued(
    full_disk: BoardAddress, make_package: MakePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(BIG)
    with pytest.raises(BoardError, match=r"MB are free") as caught:
        brought(full_disk, package)
    assert not isinstance(caught.value, BoardUnreachableError)
    assert "resumes" in caught.value.remedy
    monkeypatch.setattr(FullDisk, "room", 10 * BIG)
    assert 0 < brought(full_disk, package)[1] < BIG


def test_directory_that_cannot_be_made_is_named(
    some_board: BoardAddress, make_package: MakePackage, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BoardError, match=r"cannot write .*file"):
        brought(
            some_board.model_copy(update={"directory": str(tmp_path / "file/within")}),
            make_package(),
        )


def test_results_come_back_whole(board: BoardAddress, tmp_path: Path) -> None:
    there, here = tmp_path / "out ; put", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    (there / "y_hw.npy").write_bytes(os.urandom(BIG))
    (there / "results.json").write_text("{}")
    with connect(board) as connection:
        fetch(connection, str(there), ["y_hw.npy", "results.json"], here)
        with pytest.raises(BoardError, match=r"power\.json"):
            fetch(connection, str(there), ["power.json"], here)
    assert (here / "y_hw.npy").read_bytes() == (there / "y_hw.npy").read_bytes()
    assert sorted(path.name for path in here.iterdir()) == ["results.json", "y_hw.npy"]


def test_results_that_were_cut_leave_nothing_behind(
    board: BoardAddress, tmp_path: Path, cut_after: CutAfter
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    (there / "y_hw.npy").write_bytes(os.urandom(5 * BIG))
    with (
        cut_after(board, 8000) as link,
        pytest.raises(BoardUnreachableError),
        connect(link) as connection,
    ):
        fetch(connection, str(there), ["y_hw.npy"], here)
    assert list(here.iterdir()) == []
