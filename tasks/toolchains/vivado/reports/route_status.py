"""report_route_status: whether every net was routed."""

import re
from pathlib import Path

from tasks.core.records.base import Record
from tasks.toolchains.vivado.reports.text import lacking, read_text

_LINE = re.compile(r"^ *# of ([^.:]+?)[. ]*: +(\d+) *:", re.MULTILINE)


class RouteStatus(Record):
    """Nets of a design.

    Attributes:
        logical_nets: all of them.
        routable_nets: those that need routing.
        fully_routed_nets: those of them that have it.
        nets_with_errors: unrouted, partly routed, or in conflict with others.
    """

    logical_nets: int
    routable_nets: int
    fully_routed_nets: int
    nets_with_errors: int

    @property
    def routed(self) -> bool:
        """Whether every net that needs routing has it, without an error."""
        return self.nets_with_errors == 0 and self.fully_routed_nets == self.routable_nets


def read_route_status(path: Path) -> RouteStatus:
    """Read what report_route_status wrote.

    Raises:
        InputError: the report, or a figure in it, is missing.
    """
    counts = {name: int(number) for name, number in _LINE.findall(read_text(path))}
    for name in ("logical nets", "routable nets", "fully routed nets", "nets with routing errors"):
        if name not in counts:
            raise lacking(path, f"number of {name}")
    return RouteStatus(
        logical_nets=counts["logical nets"],
        routable_nets=counts["routable nets"],
        fully_routed_nets=counts["fully routed nets"],
        nets_with_errors=counts["nets with routing errors"],
    )
