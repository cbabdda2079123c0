"""Builds a core in a child process: large graphs take gigabytes, which are freed with it.

python -m tasks.toolchains.cores.child REQUEST RESULT
"""

import logging
from pathlib import Path

from tasks.core.records.base import Record
from tasks.core.records.design import HlsProject, Resources
from tasks.processes.child import child_main
from tasks.toolchains.cores.report import CoreReport


class CoreRequest(Record):
    """Arguments of `choice.build`."""

    files: Path
    project: HlsProject
    available: Resources
    out: Path


def build(request: CoreRequest) -> CoreReport:
    """Write the core's RTL; raises what `choice.build` raises."""
    from tasks.toolchains.cores import choice

    return choice.build(request.files, request.project, request.available, request.out)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # progress, layer by layer
    child_main(CoreRequest, build)
