"""Puts the twin's device among those that pynq probes, in every python3 of a twin.

Python imports this module at start-up because its directory is on the twin's PYTHONPATH. A
program that never imports pynq pays for one small object on sys.meta_path, nothing else (hence
no base classes of importlib.abc, whose import is slow); pynq and the user's code stay as they
are. Runs under any Python from 3.8 that a twin's user may start.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing is slow to import, too
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_HOOKED = "pynq.pl_server.device"


class _AfterImport:
    """Runs pynq's own loader, then imports the device, whose class statement registers it."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        __import__("overlayflow_twin.device")


class _Hook:
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _HOOKED:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _AfterImport(spec.loader)  # type: ignore[assignment]  # quacks like one
        return spec


if "OVERLAYFLOW_TWIN_KIND" in os.environ:
    sys.meta_path.insert(0, _Hook())
