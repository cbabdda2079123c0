"""Reads report_route_status: whether every net was routed."""

import re
from pathlib import Path

from tasks.toolchains.vivado.reports.text import lacking, read_text

_ERRORS = re.compile(r"^ *# of nets with routing errors[. ]*: +(\d+) *:", re.MULTILINE)


def read_failed_nets(path: Path) -> int:
    """Return how many nets are unrouted, partly routed, or in conflict with others.

    Raises:
        InputError: the report, or the figure in it, is missing.
    """
    if (found := _ERRORS.search(read_text(path))) is None:
        raise lacking(path, "number of nets with routing errors")
    return int(found[1])
