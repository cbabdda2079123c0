"""Transfers packages to the board and results back: verified, resumable, atomic."""

import errno
import hashlib
import logging
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from tasks.boards.python import WITH_SITE, answer, ask
from tasks.boards.ssh import Connection
from tasks.core.errors import (
    BoardBusyError,
    BoardError,
    BoardUnreachableError,
    InputError,
    OverlayflowError,
)

logger = logging.getLogger(__name__)

KEPT_DEPLOYMENTS = 5
# An SSH channel takes 32704 payload bytes per packet: four full packets hold one SFTP write with
# its header. OpenSSH refuses writes larger than 256 KiB.
_CHUNK = 4 * 32704 - 64
_SPARE_BYTES = 1 << 20
# Python, numpy and pynq; the DMA's buffers come from separate memory.
_SPARE_MEMORY_BYTES = 64 << 20
# Hashing and unpacking on a board's SD card, without output.
_DEPOT_S = 300.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Deployed:
    """A package on the board, complete and verified.

    Attributes:
        directory: absolute path on the board.
        sent_bytes: sent over the network; 0 if the board had it.
    """

    directory: str
    sent_bytes: int


def deploy(
    connection: Connection,
    archive: Path,
    digest: str,
    *,
    keep: int = KEPT_DEPLOYMENTS,
    on_progress: Progress | None = None,
) -> Deployed:
    """Send a package to the board, unless it is there.

    Args:
        connection: to the board.
        archive: package.tar.gz.
        digest: its SHA-256 as hex.
        keep: number of newest deployments to keep on the board; those in use are never removed.
        on_progress: called with the bytes on the board so far and the size of the archive.

    Raises:
        BoardUnreachableError: the connection was lost; the next call resumes the transfer.
        BoardError: no space (with figures), no permission, or the archive arrived damaged.
        InputError: the archive is not a package, or does not have this digest.
    """
    found = _depot(connection, "prepare", digest, keep=keep)
    if found["damage"]:
        logger.warning(
            "%s: the package there was damaged (%s); sending it again",
            connection.address.label,
            found["damage"],
        )
    if found["directory"]:
        return Deployed(found["directory"], 0)
    size = archive.stat().st_size
    start = _start(archive, found)
    _check_space(connection, archive, size - start, found["free_bytes"], found["memory_bytes"])
    try:
        send(connection, archive, found["part"], start=start, on_progress=on_progress)
    except BoardUnreachableError:
        raise
    except BoardError as error:
        raise _not_taken(connection, digest, keep, error) from error
    installed = _depot(connection, "install", digest)
    if installed["directory"] is None:
        raise _not_installed(connection, archive, digest, installed)
    return Deployed(installed["directory"], size - start)


def send(
    connection: Connection,
    source: Path,
    target: str,
    *,
    start: int = 0,
    on_progress: Progress | None = None,
) -> None:
    """Send a file, or the rest of it from `start`; check nothing but its size.

    Args:
        connection: to the board.
        source: local file.
        target: path on the board, replaced or continued.
        start: number of bytes that are there already.
        on_progress: as in `deploy`.
    """
    done, size = start, source.stat().st_size
    with source.open("rb") as file, connection.sftp() as sftp:
        file.seek(start)
        with connection.reaching(f"sending {source.name} to {target}"):
            remote = sftp.open(target, "r+" if start else "w")
            remote.MAX_REQUEST_SIZE = _CHUNK
            remote.set_pipelined(True)
            remote.seek(start)
            while chunk := file.read(_CHUNK):
                remote.write(chunk)
                done += len(chunk)
                if on_progress is not None:
                    on_progress(done, size)
            # Pending writes may still fail, and paramiko drops their last answers.
            arrived = remote.stat().st_size
            # After a failure the file closes with the session; closing it would be another wait.
            remote.close()
            if arrived != size:
                raise OSError(errno.ENOSPC, f"{arrived} of {size} bytes arrived")


def fetch(connection: Connection, remote_dir: str, names: Sequence[str], local_dir: Path) -> None:
    """Fetch result files; each appears atomically.

    Raises:
        BoardError: a file is missing or cannot be read.
        BoardUnreachableError: the connection was lost.
    """
    with connection.sftp() as sftp:
        for name in names:
            _fetch_file(connection, sftp, f"{remote_dir}/{name}", local_dir / name)


def _fetch_file(
    connection: Connection, sftp: paramiko.SFTPClient, source: str, target: Path
) -> None:
    aside = target.with_name(f"{target.name}.part")
    try:
        with aside.open("wb") as file, connection.reaching(f"fetching {source}"):
            expected = sftp.stat(source).st_size
            # No read-ahead: paramiko's thread for it prints a traceback if the connection breaks,
            # and results are small.
            with sftp.open(source) as remote:
                remote.MAX_REQUEST_SIZE = _CHUNK
                shutil.copyfileobj(remote, file, _CHUNK)
            if file.tell() != expected:
                raise OSError(errno.EIO, f"{file.tell()} of {expected} bytes came")
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _depot(
    connection: Connection, action: str, digest: str, *, payload: bytes = b"", **request: int
) -> dict[str, Any]:
    """Send a request to board/depot.py and return its answer."""
    asked = {
        "action": action,
        "directory": connection.address.directory,
        "digest": digest,
        **request,
    }
    done = ask(connection, "depot", asked, flags=WITH_SITE, payload=payload, silence_s=_DEPOT_S)
    found = answer(connection, done)
    if "in_use" in found:
        raise BoardBusyError(
            f"a program is running in a damaged package: {found['in_use']}",
            where=connection.address.label,
            remedy="wait for it to end",
        )
    if "error" in found:
        raise _refused(connection, found)
    return found


def _refused(connection: Connection, answer: dict[str, Any]) -> BoardError:
    full = answer["errno"] in (errno.ENOSPC, errno.EDQUOT)
    return BoardError(
        f"cannot write {answer['path'] or 'the package'}: {answer['error']}",
        where=connection.address.label,
        remedy="free space on the board"
        if full
        else "the directory must be writable for this user; is the card mounted read-only?",
    )


def _start(archive: Path, found: dict[str, Any]) -> int:
    """Return where to resume: after the bytes on the board, if they match the archive."""
    part_bytes: int = found["part_bytes"]
    digest = hashlib.sha256()
    left = part_bytes
    with archive.open("rb") as file:
        while left and (chunk := file.read(min(left, 1 << 20))):
            digest.update(chunk)
            left -= len(chunk)
    return part_bytes if not left and digest.hexdigest() == found["part_sha256"] else 0


def _check_space(
    connection: Connection, archive: Path, to_send: int, free: int, memory: int
) -> None:
    with tarfile.open(archive) as members:
        sizes = {member.name: member.size for member in members}
    needed = to_send + sum(sizes.values()) + _SPARE_BYTES
    if needed > free:
        raise BoardError(
            f"not enough space: the package needs {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB "
            "are free",
            where=f"{connection.address.label}, {connection.address.directory}",
            remedy="free space on the board",
        )
    # The runner holds all inputs, and outputs several times, while it compares them.
    data = sizes.get("X_test.npy", 0) + 5 * sizes.get("y_csim.npy", 0) + _SPARE_MEMORY_BYTES
    if data > memory:
        raise BoardError(
            f"not enough memory: measuring takes about {data / 1e6:.0f} MB, "
            f"{memory / 1e6:.0f} MB are available",
            where=connection.address.label,
            remedy="give fewer test samples, or end other programs on the board",
        )


def _not_taken(connection: Connection, digest: str, keep: int, error: BoardError) -> BoardError:
    # SFTP only says "Failure" when a disk is full.
    free = _depot(connection, "prepare", digest, keep=keep).get("free_bytes", 0)
    return BoardError(
        f"{error.what}; {free / 1e6:.1f} MB are free there",
        where=connection.address.label,
        remedy="free space on the board and run again: the transfer resumes where it stopped",
    )


def _not_installed(
    connection: Connection, archive: Path, digest: str, answer: dict[str, Any]
) -> OverlayflowError:
    if "defect" in answer:
        return InputError(f"not a package: {answer['defect']}", where=str(archive))
    with archive.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            return InputError(
                "this is not the package described by its record",
                where=str(archive),
                remedy="remove it from the store and run again",
            )
    return BoardError(
        f"the package arrived damaged: {answer['damage']}",
        where=connection.address.label,
        remedy="run again; if it happens again, check the board's memory card",
        transient=True,
    )
