"""Write a folded core's RTL."""

from importlib.metadata import version
from pathlib import Path

from tasks.core.records.design import HlsProject
from tasks.toolchains.cores.folded.build import build
from tasks.toolchains.cores.folded.estimate import FoldedEstimate
from tasks.toolchains.cores.graph import Graph
from tasks.toolchains.cores.report import CoreReport


def build_folded(
    graph: Graph, project: HlsProject, planned: FoldedEstimate, out: Path
) -> CoreReport:
    """Write `out/rtl/*.v` and `*.sv` with the top module `<project_name>_core`.

    What it computes is proved on the RTL itself, in the shell: see toolchain `open`.

    Raises:
        UnsupportedModelError: a layer that a folded core does not compute, or not exactly.
    """
    directory = out / "rtl"
    directory.mkdir(parents=True, exist_ok=True)
    traced = FoldedEstimate(
        planned.target,
        tuple(build(graph, project.settings.project_name, planned.target, directory)),
    )
    return CoreReport(
        core="folded",
        latency_cycles=None,
        interval_cycles=traced.interval,
        samples=0,
        estimate=traced.resources,
        luts_by_layer=traced.luts_by_layer,
        layers=traced.layers,
        versions={name: version(name) for name in ("alkaid", "hls4ml", "numpy")},
    )
