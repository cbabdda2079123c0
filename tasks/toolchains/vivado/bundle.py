"""Bundles the logs, reports and settings of a failed build in one archive, without secrets."""

import io
import json
import os
import platform
import re
import tarfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.core.errors import OverlayflowError, ToolError
from tasks.core.records.base import Entry
from tasks.processes.redaction import redact

_KEPT = {".log", ".rpt", ".tcl", ".rst", ".vds", ".vdi", ".jou", ".hwh", ".aps", ".directive"}
_NAMES = re.compile(r"hs_err_pid\d+.*|.*_csynth\.xml|project_1\.xpr|hls4ml_config\.yml")
_LARGEST = 4 << 20
_SECRET = re.compile(r"(?i)token|key|secret|passw|credential|cookie|auth|session")
_OURS_OR_TOOLS = re.compile(r"(?i)xilinx|vivado|vitis|rdi|lm_|overlayflow|^path$|ld_|^l(c_|ang)")


def write(
    directory: Path,
    *,
    entry: Entry,
    project: Path,
    error: OverlayflowError,
    facts: Mapping[str, object],
) -> Path:
    """Write <directory>/<step>-<digest>-<time>.tar.gz.

    Args:
        directory: of all bundles.
        entry: store entry that was to be built.
        project: directory in which the tools ran.
        error: that ended the build.
        facts: settings and versions.
    """
    directory.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    name = f"{entry.step}-{entry.digest[:12]}-{now:%Y%m%dT%H%M%S.%f}"
    path = directory / f"{name}.tar.gz"
    aside = path.with_suffix(".new")
    with tarfile.open(aside, "w:gz") as archive:
        texts = {
            "error.txt": redact(str(error)),
            "facts.json": json.dumps({"time": now.isoformat(), **facts}, indent=1, default=str),
            "environment.txt": redact("".join(f"{n}={v}\n" for n, v in _environment())),
        }
        if isinstance(error, ToolError) and error.log is not None and error.log.exists():
            texts["tool.log"] = _text(error.log)
        for inside, text in texts.items():
            _add(archive, f"{name}/{inside}", text)
        for file in _files(project):
            _add(archive, f"{name}/project/{file.relative_to(project)}", _text(file))
    aside.replace(path)
    return path


def prune(directory: Path, older_than: timedelta) -> None:
    """Remove bundles older than the given age."""
    for path in directory.glob("*.tar.gz"):
        if time.time() - path.stat().st_mtime > older_than.total_seconds():
            path.unlink(missing_ok=True)


def _files(project: Path) -> Iterator[Path]:
    """Yield logs, reports and scripts, but no designs or other files."""
    for file in sorted(project.rglob("*")):
        if file.is_file() and (file.suffix in _KEPT or _NAMES.fullmatch(file.name)):
            yield file


def _text(file: Path) -> str:
    """Return the end of a text file without secrets; some tools print their environment."""
    with file.open("rb") as content:
        size = content.seek(0, os.SEEK_END)
        content.seek(max(0, size - _LARGEST))
        return redact(content.read().decode(errors="replace"))


def _environment() -> Iterator[tuple[str, str]]:
    """Yield the machine and the environment variables that can affect a build."""
    yield "machine", f"{platform.platform()} {platform.machine()}"
    for name, value in sorted(os.environ.items()):
        if _OURS_OR_TOOLS.search(name) and not _SECRET.search(name):
            yield name, value


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
