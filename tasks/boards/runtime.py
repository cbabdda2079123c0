"""Sends our programs that need the board's Python packages to the board, as one file.

Packages contain these programs, too, for measuring by hand. Flows always run this host's copy, as
root on a real board, since a package may come from anybody.
"""

import hashlib
import io
import zipfile
from functools import cache
from importlib import resources

from tasks.boards.python import WITH_SITE, answer, ask
from tasks.boards.ssh import Connection
from tasks.core.errors import BoardError

_MAIN = """\
import importlib, sys
sys.exit(importlib.import_module("board." + sys.argv.pop(1)).main())
"""


def bring(connection: Connection) -> str:
    """Send this host's programs unless the board has them, and return their path there.

    Raises:
        BoardError: they cannot be written there.
        BoardUnreachableError: the connection was lost.
    """
    content = _bundle()
    asked = {
        "action": "programs",
        "directory": connection.address.directory,
        "digest": hashlib.sha256(content).hexdigest(),
    }
    for size, payload in ((0, b""), (len(content), content)):
        request = {**asked, "size": size}
        found = answer(
            connection, ask(connection, "depot", request, flags=WITH_SITE, payload=payload)
        )
        if "error" in found:
            raise BoardError(
                f"cannot write {found['path']}: {found['error']}",
                where=connection.address.label,
                remedy="the board's directory must be writable, with some space left",
            )
        if found["path"] is not None:
            return str(found["path"])
    raise BoardError(
        "the programs were damaged in transfer",
        where=connection.address.label,
        remedy="run again",
        transient=True,
    )


def command(path: str, module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of `board` from the file at `path`."""
    # sys.path begins with the file itself, not with the current directory.
    return ("python3", *WITH_SITE, path, module, *arguments)


@cache
def _bundle() -> bytes:
    """Return the programs as a zip file that Python runs; deterministic."""
    written = io.BytesIO()
    modules = [each for each in resources.files("board").iterdir() if each.name.endswith(".py")]
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), _MAIN)
        for module in sorted(modules, key=lambda each: each.name):
            member = zipfile.ZipInfo(f"board/{module.name}")
            archive.writestr(member, module.read_bytes(), zipfile.ZIP_DEFLATED)
    return written.getvalue()
