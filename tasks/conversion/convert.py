"""The conversion as the flow's process sees it: cheap checks here, the rest in a child."""

import logging
import re

from board.kinds import board_kinds
from tasks.conversion import names
from tasks.conversion.child import ConvertRequest
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import ModelFile
from tasks.core.errors import InputError
from tasks.core.records.design import HlsProject
from tasks.core.records.settings import ConvertSettings
from tasks.hardware.clocks import check_clock
from tasks.processes.child import run_child

log = logging.getLogger(__name__)

DEADLINE_S = 3600.0
NOTE = "NOTE: "  # as the child prefixes what our own modules log
# As hls4ml prints them, and as Python does: <file>:<line>: UserWarning: <text>.
WARNING = re.compile(
    r"\s*(?:(?!.*/tf_keras/).*\.py:\d+: )?"
    r"(?P<told>(?i:warn|warning|error|userwarning)[:!](?!.*absl::InitializeLog).*)"
)


def check_settings(settings: ConvertSettings) -> None:
    """Refuse settings that no conversion can use.

    Raises:
        InputError: unknown board kind, a project name that is no identifier, an interval for a
            core that has none, or a clock that the board cannot make.
    """
    if settings.board_kind not in board_kinds():
        raise InputError(
            f"unknown board kind {settings.board_kind!r}",
            where="board_kind",
            remedy=f"one of {', '.join(board_kinds())}; a new one is an entry of board/kinds.toml",
        )
    if not names.IDENTIFIER.fullmatch(settings.project_name):
        raise InputError(
            f"project name {settings.project_name!r} is no identifier",
            where="project_name",
            remedy="use a letter, then up to 62 letters, digits and underscores",
        )
    if not names.is_free(settings.project_name):
        raise InputError(
            f"project name {settings.project_name!r} means something else in C++ or hls4ml",
            where="project_name",
            remedy=f"take another one, for instance model_{settings.project_name}",
        )
    if settings.interval_cycles and settings.core == "unrolled":
        raise InputError(
            "an unrolled core takes a sample in every clock, whatever interval is asked for",
            where="interval_cycles",
            remedy="leave it out, or set core to folded or auto",
        )
    check_clock(board_kinds()[settings.board_kind].processing_system, settings.clock_period_ns)


def run_conversion(request: ConvertRequest, model: ModelFile) -> HlsProject:
    """Convert in a child process, which alone imports the framework.

    Args:
        request: for the child.
        model: what `request.model` is.

    Raises:
        InputError: model, data or settings cannot be used.
        ToolError: the child crashed.
    """
    return run_child(
        "tasks.conversion.child",
        request,
        HlsProject,
        cwd=request.out,
        log=request.out / "convert.log",
        step="convert",
        deadline_s=DEADLINE_S,
        packages=choice.packages(model),
        on_line=_show,
    )


def _show(line: str) -> None:
    """Log our own notes and hls4ml's warnings, out of everything that the child prints."""
    if line.startswith(NOTE):
        log.info("%s", line.removeprefix(NOTE).strip())
    elif found := WARNING.match(line):
        log.warning("hls4ml: %s", found["told"].strip())
