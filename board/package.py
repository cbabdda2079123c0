"""Reads a package on the board, and checks its files against the manifest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from board.supervision import BAD_PACKAGE, WRONG_TARGET, RunError

if TYPE_CHECKING:
    from pathlib import Path

BIT, HWH, INPUTS, GOLDEN = "hls4ml_nn.bit", "hls4ml_nn.hwh", "X_test.npy", "y_csim.npy"
# A package for real hardware may also contain the same design for a twin.
TWIN_BIT, TWIN_HWH = "hls4ml_nn_twin.bit", "hls4ml_nn_twin.hwh"
SCHEMA = 1
_BLOCK = 1 << 20


def read_manifest(package: Path) -> dict[str, Any]:
    """Read manifest.json and check the files that a run needs against it.

    Raises:
        RunError: a file is missing or was changed, or the manifest has another schema.
    """
    try:
        manifest: dict[str, Any] = json.loads((package / "manifest.json").read_text("utf-8"))
        schema, files = manifest["schema_version"], manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(f"manifest.json cannot be read: {error}") from error
    if schema != SCHEMA:
        raise _damaged(f"manifest.json has schema {schema}, this runner reads {SCHEMA}")
    for name in (BIT, HWH, INPUTS, GOLDEN):
        if name not in files:
            raise _damaged(f"manifest.json does not list {name}")
        _check(package / name, files[name]["sha256"])
    return manifest


def design(package: Path, manifest: dict[str, Any], *, simulated: bool) -> tuple[str, str]:
    """Return the names of the .bit and .hwh files to load on this board.

    Raises:
        RunError: the package has none for it, or they were changed.
    """
    if (manifest["target"] == "twin") == simulated:
        return BIT, HWH
    files = manifest["files"]
    if simulated and TWIN_BIT in files and TWIN_HWH in files:
        for name in (TWIN_BIT, TWIN_HWH):
            _check(package / name, files[name]["sha256"])
        return TWIN_BIT, TWIN_HWH
    here = "a twin" if simulated else "real hardware"
    raise RunError(
        "wrong_target",
        f"the package is for target {manifest['target']}, this board is {here}",
        "toolchain `open` builds for twins, `vivado` for both, `vivado-hls` for real boards",
        WRONG_TARGET,
    )


def content_named(
    package: Path, manifest: dict[str, Any], names: tuple[str, str], directory: Path
) -> Path:
    """Copy a design to file names made from its content.

    pynq caches a parsed .hwh file under its name: a rebuilt design under an old name would get the
    old one's addresses.

    Args:
        package: directory of the package.
        manifest: of the package.
        names: of the design's .bit and .hwh.
        directory: where the files go.

    Returns:
        The .bit file in `directory`, next to its .hwh and the manifest.
    """
    digests = "".join(manifest["files"][name]["sha256"] for name in names)
    name = "nn_" + hashlib.sha256(digests.encode()).hexdigest()[:12]
    directory.mkdir(parents=True, exist_ok=True)
    bit, hwh = names
    links = {bit: f"{name}.bit", hwh: f"{name}.hwh", "manifest.json": "manifest.json"}
    for source, target in links.items():
        _link(package / source, directory / target)
    return directory / f"{name}.bit"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def _check(path: Path, sha256: str) -> None:
    try:
        actual = digest(path)
    except OSError as error:
        raise _damaged(f"{path.name} cannot be read: {error.strerror}") from error
    if actual != sha256:
        raise _damaged(f"{path.name} is not the packaged file: SHA-256 {actual}, not {sha256}")


def _link(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it where the file system has no hard links."""
    if target.exists():
        target.unlink()
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _damaged(what: str) -> RunError:
    return RunError("bad_package", what, "transfer the package again", BAD_PACKAGE)
