"""Refuses, when it is imported, a user's file that hides one of our packages.

Python would import that file, and find that `tasks` is no package. So this comes before them.
"""

from importlib.util import find_spec
from pathlib import Path

for _name in ("flows", "tasks", "board"):
    _found, _own = find_spec(_name), Path(__file__).resolve().parents[1] / _name / "__init__.py"
    if _found is not None and Path(_found.origin or "").resolve() != _own:
        raise ImportError(
            f"{_found.origin} hides overlayflow's package {_name}: rename it, or take its "
            "directory off the beginning of sys.path (PYTHONPATH, or the directory of your script)",
            name=_name,
            path=_found.origin,
        )
