"""The command line: `overlayflow`.

Each command is a module with `add`, which adds its arguments, and `run`, which returns the exit
code. A command imports what it needs only when it runs, so `--help` answers without Prefect.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

# Said here, before they are imported: Python would only find that `tasks` is no package.
for _name in ("flows", "tasks", "board"):
    _found, _own = find_spec(_name), Path(__file__).resolve().parents[2] / _name / "__init__.py"
    if _found is not None and Path(_found.origin or "").resolve() != _own:
        print(
            f"overlayflow: {_found.origin} hides overlayflow's package {_name}: rename it, or take "
            "its directory off PYTHONPATH",
            file=sys.stderr,
        )
        raise SystemExit(2)
