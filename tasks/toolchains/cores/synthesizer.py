"""The synthesizer of traced cores: RTL from distributed arithmetic, without vendor tools."""

import logging
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tasks.core.errors import CoreMismatchError
from tasks.core.records.base import Entry
from tasks.core.records.design import HlsProject, Resources, Synthesis
from tasks.core.requirements import Finding, package
from tasks.processes.child import run_child
from tasks.store.code import code_digest
from tasks.toolchains.cores.child import CoreRequest
from tasks.toolchains.cores.report import CoreReport
from tasks.toolchains.open.proof import Proof, ProofRequest

log = logging.getLogger(__name__)

DEADLINE_S = 4 * 3600.0


class TracedCore:
    """Traces the converted graph into RTL that is bit-exact with the hls4ml C simulation."""

    def identity(self) -> dict[str, Any]:
        """Return the versions and the code that make a core and measure its clocks."""
        places = ("tasks/toolchains/cores", "tasks/toolchains/shell")
        return {
            "name": "traced",
            "versions": {"alkaid": version("alkaid")},
            "code": code_digest(*places, "tasks/toolchains/open/proof.py"),
        }

    def check(self, board_kind: str | None = None) -> list[Finding]:
        """Return whether alkaid is installed; all board kinds need the same."""
        del board_kind
        return [package("alkaid")]

    def synthesize(self, project: HlsProject, files: Path, entry: Entry, out: Path) -> Synthesis:
        """Write RTL for the converted graph, bit-exact with the C simulation.

        An unrolled core is checked on all test samples when it is traced, a folded one by running
        its RTL on as many samples as a few seconds allow.

        Raises:
            UnsupportedModelError: the core cannot compute a layer.
            InputError: the interval is shorter than the stream's.
            CoreMismatchError: the logic of the core that was asked for differs from the C
                simulation; with `auto`, an unrolled core takes the place of a folded one.
        """
        report, proof = _made(project, files, out)
        log.info(
            "core %s: %d cycles latency, a sample in %d cycles, bit-exact on %d samples",
            report.core,
            proof.latency_cycles,
            proof.interval_cycles,
            proof.samples,
        )
        return Synthesis(
            entry=entry,
            project=project,
            synthesizer="traced",
            core=report.core,
            layers=report.layers,
            latency_cycles=proof.latency_cycles,
            interval_cycles=proof.interval_cycles,
            estimate=report.estimate,
            luts_by_layer=report.luts_by_layer,
            versions={name: version(name) for name in ("alkaid", "hls4ml", "numpy")},
        )


def _made(project: HlsProject, files: Path, out: Path) -> tuple[CoreReport, Proof]:
    """Write a core, and return what its logic did with samples."""
    settings = project.settings
    report = run_child(
        "tasks.toolchains.cores.child",
        CoreRequest(
            files=files,
            project=project,
            available=Resources.of_part(settings.board_kind),
            out=out,
        ),
        CoreReport,
        cwd=out,
        log=out / "synthesize.log",
        step="synthesize",
        deadline_s=DEADLINE_S,
        on_line=_pass_on,
    )
    if report.latency_cycles is not None:
        return report, Proof(
            latency_cycles=report.latency_cycles,
            interval_cycles=report.interval_cycles,
            samples=report.samples,
        )
    try:
        proof = run_child(
            "tasks.toolchains.open.proof",
            ProofRequest(files=files, project=project, core=out / "rtl"),
            Proof,
            cwd=out,
            log=out / "proof.log",
            step="synthesize",
            deadline_s=DEADLINE_S,
            on_line=_pass_on,
        )
    except CoreMismatchError as error:
        if settings.core != "auto":
            raise
        log.warning("%s: taking an unrolled core instead; please report this model", error.what)
        shutil.rmtree(out / "rtl")
        unrolled = settings.model_copy(update={"core": "unrolled"})
        return _made(project.model_copy(update={"settings": unrolled}), files, out)
    return report, proof


def _pass_on(line: str) -> None:
    warning = line.removeprefix("WARNING: ")
    log.log(logging.INFO if warning == line else logging.WARNING, "%s", warning)
