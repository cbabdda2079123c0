"""package.tar.gz: what the hls4ml documentation names, the test data, the driver, the runner."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import board
from tasks.packaging.manifest import describe
from tasks.records import FileDigest, Implementation, Manifest

# Members carry one fixed time, owner and mode, so that the same inputs give the same bytes.
MEMBER_TIME = 315532800  # 1980-01-01, the earliest that every archive format can hold
BOARD_MODULES = ("__init__.py", "overlay.py", "runner.py")


def members(implementation: Implementation, design: Path, project: Path) -> dict[str, Path]:
    """Files of a package by their name in it.

    Args:
        implementation: what to package.
        design: files of the implementation's store entry.
        project: files of the convert step's store entry.
    """
    name = implementation.synthesis.project.settings.project_name
    shipped = Path(board.__file__).parent
    return {
        "hls4ml_nn.bit": design / f"{name}.bit",
        "hls4ml_nn.hwh": design / f"{name}.hwh",
        "axi_stream_driver.py": design / "axi_stream_driver.py",
        "X_test.npy": project / "X_test.npy",
        "y_test.npy": project / "y_test.npy",
        "y_csim.npy": project / "y_csim.npy",
        **{f"board/{module}": shipped / module for module in BOARD_MODULES},
    }


def digests(files: Mapping[str, Path]) -> dict[str, FileDigest]:
    """SHA-256 and size of each file."""
    return {
        name: FileDigest(
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size=path.stat().st_size
        )
        for name, path in sorted(files.items())
    }


def write(archive: Path, files: Mapping[str, Path], implementation: Implementation) -> Manifest:
    """Write package.tar.gz with a manifest.json inside; byte-identical for the same files."""
    manifest = describe(implementation, digests(files))
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=MEMBER_TIME) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        _add(tar, "manifest.json", manifest.model_dump_json(indent=1).encode())
        for name, path in sorted(files.items()):
            _add(tar, name, path.read_bytes())
    return manifest


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mtime = MEMBER_TIME
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(content))
