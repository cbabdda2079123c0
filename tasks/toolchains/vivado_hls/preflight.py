"""What toolchain vivado-hls needs of this machine."""

from tasks.core import settings
from tasks.core.requirements import Finding, program, require
from tasks.toolchains.vivado import preflight
from tasks.toolchains.vivado.installation import ToolName, find
from tasks.toolchains.vivado.job import kind_of
from tasks.toolchains.vivado.preflight import Machine
from tasks.toolchains.vivado_hls.project import place

WHERE = "toolchain vivado-hls"


def check(board_kind: str | None = None) -> list[Finding]:
    """Return what both tools need of this machine, and for a kind of board.

    Raises:
        InputError: nothing is built for that kind.
    """
    kind = None if board_kind is None else kind_of(board_kind)
    work = settings.vivado_work()
    found = preflight.check(find(), kind, Machine.this(work)).findings
    return [*found, place(work), program("g++")]  # g++ for the C simulation of the conversion


def version(tool: ToolName) -> str:
    """Return a tool's version.

    Raises:
        ToolMissingError: one of the tools is not there, or does not start.
    """
    found = preflight.tools(find())
    require(found.findings, WHERE)
    return found.versions[tool]
