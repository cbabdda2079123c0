"""Prefect flows, which compose tasks and contain no logic of their own.

Prefect puts this directory on sys.path when it loads an entrypoint, so no module in it may have the
name of a root package or a standard module.
"""

from importlib.util import find_spec
from pathlib import Path

# Said here, before they are imported: Python would only find that `tasks` is no package.
for _name in ("tasks", "board"):
    _found, _own = find_spec(_name), Path(__file__).resolve().parents[1] / _name / "__init__.py"
    if _found is not None and Path(_found.origin or "").resolve() != _own:
        raise ImportError(
            f"{_found.origin} hides overlayflow's package {_name}: rename it, or take its "
            "directory off the beginning of sys.path (PYTHONPATH, or the directory of your script)",
            name=_name,
            path=_found.origin,
        )
