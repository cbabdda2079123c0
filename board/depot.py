"""Keeps packages on the board: looks them up, receives, unpacks and prunes them.

The host sends this file's text over standard input (tasks/boards/python.py), then REQUEST: JSON
with action, directory (overlayflow's, absolute or relative to the home) and digest (SHA-256 of
package.tar.gz as hex). The answer is one JSON object, the last line on stdout.

    DIRECTORY/incoming/<digest>.part     an incomplete archive; the transfer can be resumed
    DIRECTORY/deployments/<digest16>/    an unpacked package; appears only when complete
    DIRECTORY/programs/<digest16>.zip    the host's programs, sent after the request (size)
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import tarfile
import tempfile
import time
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Any

# Lists the unpacked files with their SHA-256. A directory without it is not ours.
RECORD = ".overlayflow.json"
MANIFEST = "manifest.json"
_DEPLOYMENT = re.compile(r"[0-9a-f]{16}")
_ASIDE = ".aside-"
_STALE_S = 24 * 3600


class DamagedError(Exception):
    """A file or archive does not have the expected content."""


class InUseError(Exception):
    """A program is running in the deployment."""


class Depot:
    """The place of one package in overlayflow's directory on this board.

    Args:
        directory: overlayflow's, absolute or relative to the home.
        digest: of the package.
    """

    def __init__(self, directory: str, digest: str) -> None:
        root = Path.home() / directory
        self.digest = digest
        self.deployments = root / "deployments"
        self.incoming = root / "incoming"
        self.place = self.deployments / digest[:16]
        self.part = self.incoming / f"{digest}.part"

    def prepare(self, keep: int) -> dict[str, Any]:
        """Say whether the package is here; if not, make room and say how much of it has arrived.

        Args:
            keep: number of deployments to keep, this one included.

        Raises:
            InUseError: the package is damaged while a program is running in it.
        """
        for directory in (self.deployments, self.incoming):
            directory.mkdir(parents=True, exist_ok=True)
        damage = None
        if self.place.exists():
            try:
                check(self.place, self.digest)
            except DamagedError as error:
                damage = str(error)
                if in_use(self.place):
                    raise InUseError(f"{self.place}: {damage}") from error
                discard(self.place)
            else:
                os.utime(self.place)  # recently used: pruned last
                return {"directory": str(self.place), "damage": None}
        prune(self.deployments, keep - 1)
        self._drop_stale_parts()
        self.part.touch()
        free = os.statvfs(self.incoming)
        return {
            "directory": None,
            "damage": damage,
            "part": str(self.part),
            "part_bytes": self.part.stat().st_size,
            "part_sha256": sha256(self.part),
            "free_bytes": free.f_bavail * free.f_frsize,
            "memory_bytes": available_bytes(),
        }

    def install(self) -> dict[str, Any]:
        """Unpack the archive that has arrived, check each file, and move it into place."""
        if not self.place.exists():
            if sha256(self.part) != self.digest:
                self.part.unlink()
                return {"directory": None, "damage": "its SHA-256 differs"}
            # On the same file system, so that the rename is atomic. After a power cut files may
            # still be empty, so `prepare` checks them all again.
            aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=self.deployments))
            try:
                unpack(self.part, aside, self.digest)
                aside.chmod(0o755)
                self._put_into_place(aside)
            except DamagedError as error:
                self.part.unlink(missing_ok=True)
                return {"directory": None, "defect": str(error)}
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        self.part.unlink(missing_ok=True)
        return {"directory": str(self.place), "damage": None}

    def _put_into_place(self, unpacked: Path) -> None:
        try:
            unpacked.rename(self.place)
        except OSError:
            if not self.place.exists():  # else another host was faster
                raise

    def _drop_stale_parts(self) -> None:
        for part in self.incoming.glob("*.part"):
            if part != self.part and part.stat().st_mtime < time.time() - _STALE_S:
                part.unlink()


def available_bytes() -> int:
    """Return the memory that a program can still get."""
    meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
    return int(meminfo.partition("MemAvailable:")[2].split()[0]) * 1024


def programs(directory: str, digest: str, size: int) -> dict[str, Any]:
    """Return where the host's programs are, after writing them if they follow the request."""
    place = Path.home() / directory / "programs" / f"{digest[:16]}.zip"
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists() or sha256(place) != digest:
        content = sys.stdin.buffer.read(size)
        if hashlib.sha256(content).hexdigest() != digest:
            return {"path": None}
        aside = place.with_name(f"{place.name}.{os.getpid()}")
        aside.write_bytes(content)
        aside.replace(place)
    os.utime(place)
    for other in place.parent.iterdir():
        if other.stat().st_mtime < time.time() - _STALE_S:
            other.unlink()
    return {"path": str(place)}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def unpack(archive: Path, directory: Path, digest: str) -> None:
    """Unpack a package's archive into an empty directory, and record it.

    Raises:
        DamagedError: it holds anything but plain files in one directory, or its files differ
            from its manifest.
    """
    files: dict[str, str] = {}
    try:
        with tarfile.open(str(archive), "r:gz") as members:
            for member in members:
                if not member.isdir():
                    _unpack_file(members, member, directory, files)
        _compare(files, directory)
    except (tarfile.TarError, zlib.error, EOFError, ValueError, KeyError) as error:
        raise DamagedError(f"the archive cannot be read: {error}") from error
    record = {"digest": digest, "files": files}
    (directory / RECORD).write_text(json.dumps(record), encoding="utf-8")


def _unpack_file(
    members: tarfile.TarFile, member: tarfile.TarInfo, directory: Path, files: dict[str, str]
) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise DamagedError(f"{member.name!r} leads out of the package")
    content = members.extractfile(member) if member.isreg() else None
    if content is None or str(name) in files:
        raise DamagedError(f"{member.name!r} is no plain file, or there twice")
    target = directory / name
    target.parent.mkdir(parents=True, exist_ok=True)
    files[str(name)] = _write(content, target)


def _write(content: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _compare(files: dict[str, str], directory: Path) -> None:
    if MANIFEST not in files:
        raise DamagedError(f"the package has no {MANIFEST}")
    manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    listed = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    for name in sorted(set(listed) | set(files) - {MANIFEST}):
        if listed.get(name) != files.get(name):
            raise DamagedError(f"{name} is not what {MANIFEST} says")


def check(directory: Path, digest: str) -> None:
    """Check every file of a deployment.

    Raises:
        DamagedError: one is missing or was changed.
    """
    try:
        record = json.loads((directory / RECORD).read_text(encoding="utf-8"))
        files = record["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"its record cannot be read: {error}") from error
    if record.get("digest") != digest:
        raise DamagedError("its record is of another package")
    for name, expected in files:
        try:
            found = sha256(directory / name)
        except OSError as error:
            raise DamagedError(f"{name}: {error.strerror}") from error
        if found != expected:
            raise DamagedError(f"{name} was changed")


def prune(deployments: Path, keep: int) -> None:
    """Remove all but the `keep` most recently used deployments, and what interruptions left.

    Deployments in use stay, and so does everything that this program did not create.
    """
    ours = [
        entry
        for entry in deployments.iterdir()
        if _DEPLOYMENT.fullmatch(entry.name) and (entry / RECORD).is_file()
    ]
    ours.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in ours[max(keep, 0) :]:
        if not in_use(entry):
            discard(entry)
    for entry in deployments.glob(_ASIDE + "*"):
        if entry.stat().st_mtime < time.time() - _STALE_S:
            shutil.rmtree(entry, ignore_errors=True)


def in_use(directory: Path) -> bool:
    """Return whether a program is running in it; board/guard.py then holds a lock."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def discard(directory: Path) -> None:
    """Remove a deployment atomically."""
    aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=directory.parent))
    directory.rename(aside / directory.name)
    shutil.rmtree(aside, ignore_errors=True)


def respond(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out a request and return the answer."""
    if request["action"] == "programs":
        return programs(request["directory"], request["digest"], request["size"])
    depot = Depot(request["directory"], request["digest"])
    return depot.prepare(request["keep"]) if request["action"] == "prepare" else depot.install()


def main() -> None:
    """Answer one request."""
    request = json.loads(sys.argv[1])
    try:
        answer = respond(request)
    except InUseError as error:
        answer = {"in_use": str(error)}
    except OSError as error:
        answer = {"error": error.strerror, "errno": error.errno, "path": error.filename}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
