"""Makes every python3 on a twin behave as on the board: its device, its machine, its full disk.

Python imports this module at start-up because its directory is on the twin's PYTHONPATH. A program
that never imports pynq only pays for one small object on sys.meta_path (hence no base classes from
importlib.abc, whose import is slow). pynq and the user's code are unmodified. It must run on any
Python from 3.8.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing is slow to import, too
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class _Wrapped:
    """Wraps another module's loader to do something around it."""

    def __init__(self, loader: Loader, execute: Callable[[Loader, ModuleType], None]) -> None:
        self._loader = loader
        self._execute = execute

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._execute(self._loader, module)


def _add_device(loader: Loader, module: ModuleType) -> None:
    """Import the twin's device, which registers itself, after pynq's device module."""
    loader.exec_module(module)
    __import__("overlayflow_twin.device")


def _without_xrt(loader: Loader, module: ModuleType) -> None:
    """Hide XRT from pynq 3.0's binding, which would load a library that no twin has."""
    path = os.environ.pop("XILINX_XRT", None)
    try:
        loader.exec_module(module)
    finally:
        if path is not None:
            os.environ["XILINX_XRT"] = path


_HOOKED = {"pynq.pl_server.device": _add_device, "pynq._3rdparty.xrt": _without_xrt}


class _Hook:
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _HOOKED:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            wrapped = _Wrapped(spec.loader, _HOOKED[name])
            spec.loader = wrapped  # type: ignore[assignment]  # quacks like one
        return spec


def _name_machine(machine: str) -> None:
    """Make os.uname(), and so platform.machine(), name the board's machine, which pynq uses."""
    host = os.uname()
    board = os.uname_result((host.sysname, host.nodename, host.release, host.version, machine))
    os.uname = lambda: board


def _fill_disk(home: str) -> None:
    """Refuse to create files or open them for writing below a directory, as a full disk does."""
    import errno
    from pathlib import Path

    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    inside = Path(home).resolve()

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            grows = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        else:
            path, grows = arguments[0] if arguments else None, event == "os.mkdir"
        if not grows or not isinstance(path, (str, bytes, os.PathLike)):
            return
        absolute = Path(os.path.realpath(os.fsdecode(path)))
        if inside in absolute.parents:
            raise OSError(full.errno, full.strerror, str(absolute))

    statvfs = os.statvfs

    def report(
        path: int | str | bytes | os.PathLike[str] | os.PathLike[bytes],
    ) -> os.statvfs_result:
        fields = list(statvfs(path))
        fields[3] = fields[4] = 0  # free blocks, for root and for others
        return os.statvfs_result(fields)

    sys.addaudithook(refuse)
    os.statvfs = report


if "OVERLAYFLOW_TWIN_KIND" in os.environ:
    sys.meta_path.insert(0, _Hook())
    _name_machine(os.environ["OVERLAYFLOW_TWIN_MACHINE"])
    _faults = os.environ.get("OVERLAYFLOW_TWIN_FAULTS")
    # Not with pathlib: its import takes half as long as Python's start.
    if _faults and os.path.exists(f"{_faults}/full-disk"):  # noqa: PTH110
        _fill_disk(os.environ["HOME"])
