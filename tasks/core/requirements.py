"""Requirements of this machine: whether each is met, and how to meet it."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tasks.core.errors import ToolMissingError
from tasks.core.records.base import Record


class Finding(Record):
    """Something that a toolchain or board requires, and whether it was found.

    Attributes:
        name: the tool, file or setting.
        ok: whether it was found in a version that works.
        detail: the version found, or what is wrong.
        remedy: the command that fixes it.
        optional: whether only some models need it.
        checked: whether it was looked for at all; what was not counts as ok.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    optional: bool = False
    checked: bool = True


def require(findings: Iterable[Finding], where: str) -> None:
    """Raise a single error that names every unmet requirement.

    Args:
        findings: met and unmet requirements.
        where: named in the error.

    Raises:
        ToolMissingError: at least one requirement is not met.
    """
    missing = [finding for finding in findings if not finding.ok]
    if not missing:
        return
    remedies: dict[str, list[str]] = {}
    for each in missing:
        remedies.setdefault(each.remedy, []).append(each.name)
    raise ToolMissingError(
        "this machine is not ready:"
        + "".join(f"\n    {each.name}: {each.detail}" for each in missing),
        where=where,
        remedy="\n     ".join(
            remedy if len(remedies) == 1 else f"{', '.join(names)}: {remedy}"
            for remedy, names in remedies.items()
        ),
    )


def package(name: str) -> Finding:
    """Check that a Python package is installed in this environment."""
    try:
        return Finding(name=name, ok=True, detail=version(name))
    except PackageNotFoundError:
        return Finding(name=name, ok=False, detail="not installed", remedy="make env")


def program(name: str) -> Finding:
    """Check that a program is on PATH, and return its version."""
    path = shutil.which(name)
    if path is None:
        return Finding(name=name, ok=False, detail="not on PATH", remedy=f"apt install {name}")
    asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return Finding(name=name, ok=True, detail=(asked.stdout.splitlines() or [path])[0])


def may_run(*directories: Path) -> Finding:
    """Check that programs and libraries in these directories may be run.

    Servers and clusters mount /tmp, /home or scratch without that right, and it shows only when a
    library that was just compiled cannot be loaded.
    """
    for directory in directories:
        place = next(path for path in (directory, *directory.parents) if path.exists())
        if os.statvfs(place).f_flag & os.ST_NOEXEC:
            return Finding(
                name="executables",
                ok=False,
                detail=f"the file system of {place} is mounted noexec: what is compiled there "
                "cannot run",
                remedy="set OVERLAYFLOW_HOME, OVERLAYFLOW_STORE and TMPDIR to directories on "
                "other file systems",
            )
    return Finding(name="executables", ok=True, detail="may run in the store and in TMPDIR")
