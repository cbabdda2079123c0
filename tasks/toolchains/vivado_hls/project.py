"""Checks that this toolchain can build an hls4ml project, before any tool starts."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from board.kinds import BoardKind
from tasks.core.errors import InputError
from tasks.core.records.design import HlsProject
from tasks.toolchains.vivado.workplace import usable
from tasks.toolchains.vivado_hls.preflight import require_design

_PART = re.compile(r'^set part "([^"]+)"', re.MULTILINE)


def check(project: HlsProject, directory: Path, kind: BoardKind, work: Path) -> None:
    """Refuse a project that cannot be built.

    Args:
        project: to build.
        directory: as hls4ml wrote it.
        kind: of its board.
        work: below which it will be built.

    Raises:
        InputError: lists everything that is wrong, with remedies.
    """
    require_design(kind)
    wrong = [
        *_unbuildable(project, kind),
        *_incomplete(project, directory),
        *((each.detail, each.remedy) for each in (usable(work),) if not each.ok),
    ]
    if wrong:
        raise InputError(
            "; ".join(what for what, _ in wrong),
            where=f"project {project.settings.project_name}",
            remedy="; ".join(dict.fromkeys(remedy for _, remedy in wrong)),
        )


def _unbuildable(project: HlsProject, kind: BoardKind) -> Iterator[tuple[str, str]]:
    if project.backend != "VivadoAccelerator":
        yield (
            f"hls4ml wrote it with backend {project.backend}, which makes no block design",
            "use toolchain open (HGQ2 models convert with backend Vivado only)",
        )
    if project.settings.core == "folded" or project.settings.interval_cycles:
        yield (
            "core and interval_cycles are settings of the traced core, not of Vivado HLS",
            "remove them and set reuse_factor, or use toolchain vivado or open",
        )
    if project.part != kind.part:
        yield (f"part {project.part} is not that of {kind.name}, {kind.part}", "convert again")
    used, here = project.versions.get("hls4ml", "unknown"), version("hls4ml")
    if used != here:
        yield (f"hls4ml {used} wrote it, {here} is installed", "convert again")


def _incomplete(project: HlsProject, directory: Path) -> Iterator[tuple[str, str]]:
    again = "convert again"
    if project.backend != "VivadoAccelerator":
        return
    name = project.settings.project_name
    needed = (
        *("build_prj.tcl", "project.tcl", "design.tcl", f"{name}_test.cpp", "firmware/weights"),
        *(f"firmware/{name}.cpp", f"firmware/{name}_axi.cpp", "axi_stream_driver.py"),
    )
    missing = [each for each in needed if not (directory / each).exists()]
    if missing:
        yield f"the project is half finished: {', '.join(missing)} missing", again
        return
    part = _PART.search((directory / "project.tcl").read_text(encoding="utf-8"))
    if part is None or part[1] != project.part:
        yield f"project.tcl does not name part {project.part}", again
