"""Whether a package is what its manifest says, checked before anything is made of it.

A package may come from anybody: nothing is unpacked, every figure has a bound, and no array is
allocated before its header is known to fit its file.
"""

import contextlib
import hashlib
import math
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import ValidationError

from tasks.conversion import npz
from tasks.core.errors import InputError
from tasks.core.records.base import mistakes
from tasks.core.records.package import Manifest
from tasks.core.regular import require_regular

MANIFEST = "manifest.json"
MEMBERS = 10_000
MANIFEST_BYTES = 1 << 20
UNPACKED_BYTES = 16 << 30
REQUIRED = ("hls4ml_nn.bit", "hls4ml_nn.hwh", "X_test.npy", "y_test.npy", "y_csim.npy")
_REMEDY = "give a package.tar.gz made by overlayflow"
_BLOCK = 1 << 20


def read_manifest(archive: Path) -> Manifest:
    """Return the manifest inside a package; its files are not looked at.

    Raises:
        InputError: it is not a package of this version.
    """
    with _reading(archive) as members:
        for member, content in members:
            if member.name == MANIFEST:
                return _manifest(member, content)
    raise InputError(f"contains no {MANIFEST}", where=str(archive), remedy=_REMEDY)


def inspect(archive: Path) -> Manifest:
    """Return the manifest of a package, all of whose files are what it says.

    Raises:
        InputError: they are not, or it is not a package of this version.
    """
    manifest = read_manifest(archive)
    found = set()
    with _reading(archive) as members:
        for member, content in members:
            if member.name == MANIFEST:
                continue
            found.add(member.name)
            told = manifest.files.get(member.name)
            if told is None or (member.size, _digest(content)) != (told.size, told.sha256):
                raise _not_as_told(archive, member.name)
            content.seek(0)
            if member.name.endswith(".npy"):
                _check_array(archive, member, content, manifest)
    for name in (*REQUIRED, *manifest.files):
        if name not in found:
            raise _not_as_told(archive, name)
    return manifest


@contextlib.contextmanager
def _reading(archive: Path) -> Iterator[Iterator[tuple[tarfile.TarInfo, IO[bytes]]]]:
    """Iterate over a package's members and their content, within the limits."""
    require_regular(archive)
    if not archive.is_file():
        raise InputError(
            "the file does not exist", where=str(archive), remedy="give the path of a package"
        )
    try:
        with tarfile.open(archive, "r:gz") as tar:
            yield _members(tar)
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
        raise _refused(archive, _words(error)) from error


def _members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    names: set[str] = set()
    unpacked = 0
    for member in tar:
        if member.isdir():
            continue
        content = tar.extractfile(member) if member.isreg() else None
        if content is None or member.name in names:
            raise ValueError(f"{member.name!r} is not a plain file, or is there twice")
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or str(name) != member.name:
            raise ValueError(f"{member.name!r} leads out of the package")
        names.add(member.name)
        unpacked += member.size
        if len(names) > MEMBERS or unpacked > UNPACKED_BYTES:
            raise ValueError(
                f"more than {MEMBERS} files, or than {UNPACKED_BYTES >> 30} GiB unpacked"
            )
        yield member, content


def _manifest(member: tarfile.TarInfo, content: IO[bytes]) -> Manifest:
    if member.size > MANIFEST_BYTES:
        raise ValueError(f"{MANIFEST} has more than {MANIFEST_BYTES} bytes")
    return Manifest.model_validate_json(content.read())


def _digest(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := content.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _check_array(
    archive: Path, member: tarfile.TarInfo, content: IO[bytes], manifest: Manifest
) -> None:
    sizes = {
        "X_test.npy": manifest.input.size,
        "y_csim.npy": manifest.output.size,
        "y_test.npy": None,
    }
    try:
        shape = npz.header(content, member.size).shape
    except ValueError as error:
        raise _refused(archive, f"{member.name}: {error}") from error
    if member.name not in sizes:
        return
    size = sizes[member.name]
    if shape[:1] != (manifest.samples,) or size not in {None, math.prod(shape[1:])}:
        raise _refused(archive, f"{member.name} has shape {shape}, its manifest says otherwise")


def _words(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return f"{MANIFEST}: {mistakes(error, most=3)}"
    return str(error)


def _refused(archive: Path, why: str) -> InputError:
    return InputError(
        f"not an overlayflow package with a manifest of this version: {why}",
        where=str(archive),
        remedy=_REMEDY,
    )


def _not_as_told(archive: Path, name: str) -> InputError:
    return _refused(archive, f"{name!r} is not what {MANIFEST} says")
