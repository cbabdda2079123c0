"""Manages workplaces, where builds are made outside of the store, so that they can be resumed.

    work/<step>-<digest>/project/      the hls4ml project, in which the tools run
    work/<step>-<digest>/state.json    which phases are done, and the files that prove it

below OVERLAYFLOW_HOME.

A failed or killed build leaves its workplace behind, and the next build of the same entry resumes
there. The workplace of a successful build is removed by another build, a day or more later.
"""

import contextlib
import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tasks.core.records.base import Entry
from tasks.core.requirements import Finding
from tasks.store.locks import locked

_log = logging.getLogger(__name__)
_KEPT_S = 24 * 3600.0
_COMPLETE = "complete"
# Bytes of the longest name that the tools make below a project, with some room.
_BELOW = 512
_PATH_MAX = 4096
# The tools' own Tcl does not quote paths.
_SAFE = re.compile(r"[\w./+@-]+")


class Workplace:
    """One build's directory; `opened` makes it.

    Args:
        directory: of the build.
        is_new: whether no tool has run there yet.
    """

    def __init__(self, directory: Path, *, is_new: bool = False) -> None:
        self.directory = directory
        self.is_new = is_new
        self.project = directory / "project"
        self._state = directory / "state.json"

    def is_done(self, phase: str) -> bool:
        """Return whether a phase was done here, and its files have not changed since."""
        known = self._read().get(phase)
        return known is not None and known == self._identities(known)

    def done(self, phase: str, files: Iterable[Path]) -> None:
        """Record that a phase is done.

        Args:
            phase: name of the phase.
            files: that it wrote, below `project`.
        """
        names = [str(file.relative_to(self.project)) for file in files]
        self._write(self._read() | {phase: self._identities(names)})

    def forget(self, phases: Iterable[str]) -> None:
        """Record that phases must be repeated."""
        again = set(phases)
        self._write({name: files for name, files in self._read().items() if name not in again})

    def complete(self) -> None:
        """Record that the build is complete."""
        self._write(self._read() | {_COMPLETE: {}})

    @property
    def is_complete(self) -> bool:
        """Return whether the build is complete."""
        return _COMPLETE in self._read()

    def _identities(self, names: Iterable[str]) -> dict[str, list[int] | None]:
        return {name: _identity(self.project / name) for name in names}

    def _read(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._state.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # missing, or truncated by a power failure
            return {}
        return state

    def _write(self, state: dict[str, Any]) -> None:
        aside = self._state.with_suffix(".new")
        aside.write_text(json.dumps(state, indent=1), encoding="utf-8")
        aside.replace(self._state)


@contextlib.contextmanager
def opened(root: Path, entry: Entry, fill: Callable[[Path], object]) -> Iterator[Workplace]:
    """Open the workplace of an entry exclusively.

    Args:
        root: of all workplaces.
        entry: to build.
        fill: creates the given directory, the project before any tool runs; is not called if an
            earlier build left one.
    """
    root.mkdir(parents=True, exist_ok=True)
    directory = root / f"{entry.step}-{entry.digest[:16]}"
    with locked(_lock(directory)):
        _remove_old(root, directory)
        directory.mkdir(exist_ok=True)
        place = Workplace(directory, is_new=not (directory / "project").exists())
        if not place.is_new:
            _log.info("resuming the build in %s", directory)
        else:
            half = directory / "filling"
            shutil.rmtree(half, ignore_errors=True)
            fill(half)
            half.rename(place.project)
        yield place


def _lock(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.lock")


def _remove_old(root: Path, own: Path) -> None:
    """Remove other workplaces that were completed more than a day ago."""
    for state in root.glob("*/state.json"):
        directory = state.parent
        if directory == own:
            continue
        # A complete build may be in use again.
        with locked(_lock(directory), wait=False) as acquired, contextlib.suppress(OSError):
            old = time.time() - state.stat().st_mtime > _KEPT_S
            if acquired and old and Workplace(directory).is_complete:
                shutil.rmtree(directory, ignore_errors=True)


def _identity(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return [status.st_size, status.st_mtime_ns]


def usable(work: Path) -> Finding:
    """Check whether builds can be made below a directory."""
    wrong = ""
    if len(str(work)) + _BELOW > _PATH_MAX:
        wrong = f"the path of {work.parent} is too long for what is built below it"
    elif not _SAFE.fullmatch(str(work)):
        wrong = f"Vivado cannot build below {work}: its scripts take plain names only"
    elif (reason := _unwritable(work)) is not None:
        wrong = f"{work} cannot be written: {reason}"
    return Finding(
        name="directory",
        ok=not wrong,
        detail=wrong or str(work),
        remedy="set OVERLAYFLOW_HOME to another directory",
    )


def _unwritable(work: Path) -> str | None:
    try:
        work.mkdir(parents=True, exist_ok=True)
        (work / ".writable").touch()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
