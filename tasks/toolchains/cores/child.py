"""Tracing in a process of its own: large graphs take gigabytes that should go away with it.

python -m tasks.toolchains.cores.child REQUEST RESULT
"""

import logging
from pathlib import Path

from tasks.core.records.base import Record
from tasks.processes.child import child_main
from tasks.toolchains.cores.report import CoreReport


class CoreRequest(Record):
    """Arguments of `build_core`."""

    files: Path
    project_name: str
    out: Path
    clock_period_ns: float


def build(request: CoreRequest) -> CoreReport:
    """Write the core's RTL; raises what `build_core` raises."""
    from tasks.toolchains.cores.core import build_core

    return build_core(
        request.files,
        request.project_name,
        request.out,
        clock_period_ns=request.clock_period_ns,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # progress, layer by layer
    child_main(CoreRequest, build)
