"""Write and read package.tar.gz: the files hls4ml documents, test data, driver and runner."""

import gzip
import io
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

import board
from board.package import TWIN_BIT, TWIN_HWH
from tasks.conversion import npz
from tasks.core.digests import file_digest
from tasks.core.errors import InputError
from tasks.core.records.design import TWIN, Implementation
from tasks.core.records.package import FileDigest, Manifest

PACKAGE_FILE = "package.tar.gz"
# All members have the same fixed time, owner and mode, so the same inputs give the same bytes.
# Of gzip's levels: 3 packs samples to a tenth more than 9 does, in a twentieth of the time.
COMPRESSION = 3
_BLOCK = 1 << 20
MEMBER_TIME = 315532800  # 1980-01-01, the earliest time that every archive format supports
BOARD_MODULES = (
    "__init__.py",
    "codec.py",
    "dma.py",
    "lease.py",
    "measure.py",
    "overlay.py",
    "package.py",
    "power.py",
    "runner.py",
    "supervision.py",
)


def members(implementation: Implementation, design: Path, project: Path) -> dict[str, Path]:
    """Return the files of a package by their name in the package.

    Args:
        implementation: the implementation to package.
        design: directory of the implementation's files in the store.
        project: directory of the converted project's files in the store.
    """
    name = implementation.synthesis.project.settings.project_name
    driver = design / "axi_stream_driver.py"
    return {
        **design_members(design / f"{name}.bit", design / f"{name}.hwh", driver),
        **_twin_members(design, name),
        "X_test.npy": project / "X_test.npy",
        "y_test.npy": project / "y_test.npy",
        "y_csim.npy": project / "y_csim.npy",
    }


def design_members(bit: Path, handoff: Path, driver: Path) -> dict[str, Path]:
    """Return the files of a design and the board's programs, by their name in a package."""
    return {
        "hls4ml_nn.bit": bit,
        "hls4ml_nn.hwh": handoff,
        "axi_stream_driver.py": driver,
        **_board_programs(),
    }


def _twin_members(design: Path, name: str) -> dict[str, Path]:
    """What a twin loads in place of a design for hardware, where the implementer made it."""
    made = {TWIN_BIT: design / f"{name}{TWIN}.bit", TWIN_HWH: design / f"{name}{TWIN}.hwh"}
    return made if all(path.exists() for path in made.values()) else {}


def _board_programs() -> dict[str, Path]:
    shipped = Path(board.__file__).parent
    return {f"board/{module}": shipped / module for module in BOARD_MODULES}


def board_program_digests() -> dict[str, str]:
    """Return the SHA-256 of each program that a package brings to the board."""
    return {name: file_digest(path) for name, path in _board_programs().items()}


def digests(files: Mapping[str, Path]) -> dict[str, FileDigest]:
    """Return the SHA-256 and size of each file."""
    return {
        name: FileDigest(sha256=file_digest(path), size=path.stat().st_size)
        for name, path in sorted(files.items())
    }


def write(archive: Path, files: Mapping[str, Path], about: Manifest) -> Manifest:
    """Write package.tar.gz with its manifest.json; the same files give the same bytes.

    Args:
        archive: the file to write.
        files: the files to pack, by their name in the archive.
        about: the manifest without the list of files.
    """
    manifest = about.model_copy(update={"files": digests(files)})
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(
            filename="", fileobj=raw, mode="wb", compresslevel=COMPRESSION, mtime=MEMBER_TIME
        ) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        text = manifest.model_dump_json(indent=1).encode()
        _add(tar, "manifest.json", len(text), io.BytesIO(text))
        for name, path in sorted(files.items()):
            with path.open("rb") as content:
                _add(tar, name, path.stat().st_size, content)
    return manifest


def _add(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mtime = MEMBER_TIME
    member.mode = 0o644
    tar.addfile(member, content)


def read_array(archive: Path, name: str) -> npt.NDArray[Any]:
    """Return an array stored in a package; it is mapped, as it may be larger than memory.

    Raises:
        InputError: the package has no such member, or it is not an .npy file.
    """
    try:
        # The file has no name, and is gone with the array.
        with tarfile.open(archive) as tar, tempfile.TemporaryFile() as unpacked:
            member = tar.getmember(name)
            shutil.copyfileobj(tar.extractfile(member) or io.BytesIO(), unpacked, _BLOCK)
            unpacked.seek(0)
            npz.header(unpacked, member.size)
            unpacked.seek(0)
            array: npt.NDArray[Any] = np.load(f"/proc/self/fd/{unpacked.fileno()}", mmap_mode="r")
    except (KeyError, ValueError, EOFError, tarfile.TarError, OSError) as error:
        raise InputError(
            f"contains no readable {name}", where=str(archive), remedy="package the design again"
        ) from error
    return array
