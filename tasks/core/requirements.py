"""One thing that this machine needs: whether it is there, and how to get it."""

import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from tasks.core.errors import ToolMissingError
from tasks.core.records.base import Record


class Finding(Record):
    """One thing that a toolchain or board needs, and whether it is there.

    Attributes:
        name: of the tool, file or setting.
        ok: whether it is there, in a version that works.
        detail: the version found, or what is wrong.
        remedy: the command that mends it.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def require(findings: Iterable[Finding], where: str) -> None:
    """Raise one error that names all that is missing.

    Args:
        findings: good and bad ones.
        where: named in the error.

    Raises:
        ToolMissingError: something is missing.
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
    """Whether a Python package is installed in this environment."""
    try:
        return Finding(name=name, ok=True, detail=version(name))
    except PackageNotFoundError:
        return Finding(name=name, ok=False, detail="not installed", remedy="make env")


def program(name: str) -> Finding:
    """Whether a program is on PATH, and its version."""
    path = shutil.which(name)
    if path is None:
        return Finding(name=name, ok=False, detail="not on PATH", remedy=f"apt install {name}")
    asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return Finding(name=name, ok=True, detail=(asked.stdout.splitlines() or [path])[0])
