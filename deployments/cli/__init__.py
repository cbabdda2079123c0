"""The command line: `overlayflow`.

Each command is a module with `add`, which adds its arguments, and `run`, which returns the exit
code. A command imports what it needs only when it runs, so `--help` answers without Prefect.
"""

import sys

try:
    from deployments import hidden  # noqa: F401  before what it checks
except ImportError as error:
    print(f"overlayflow: {error}", file=sys.stderr)
    raise SystemExit(2) from None
