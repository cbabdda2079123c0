"""Which core a model gets: unrolled, or folded to the interval at which its samples arrive."""

import logging
import shutil
from pathlib import Path

from tasks.core.errors import InputError, UnsupportedModelError
from tasks.core.records.design import HlsProject, Resources
from tasks.toolchains.cores.core import build_core
from tasks.toolchains.cores.folded.core import build_folded
from tasks.toolchains.cores.folded.estimate import FoldedEstimate, estimate, shortfall
from tasks.toolchains.cores.graph import Graph, load_graph
from tasks.toolchains.cores.report import CoreReport
from tasks.toolchains.cores.size import unrolled_luts

logger = logging.getLogger(__name__)

CLEARLY = 0.75
"""Share of the unrolled core's LUTs that a folded one may take: one that takes about as many has
only the longer latency."""


def build(files: Path, project: HlsProject, available: Resources, out: Path) -> CoreReport:
    """Write the core that the project's settings ask for, or with `auto` the better one.

    Args:
        files: of the convert entry.
        project: the converted model.
        available: primitives of the part.
        out: an existing directory, gets `rtl/`.

    Raises:
        UnsupportedModelError: a layer that the asked core cannot compute, by its name.
        InputError: an interval that the stream cannot bring.
        ToolError: the traced logic differs from the C simulation.
    """
    settings = project.settings
    check_interval(project)
    if settings.core == "unrolled":
        return _unrolled(files, project, out)
    graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
    try:
        folded = estimate(graph, project, available)
        if settings.core == "folded" or _is_better(folded, graph, available):
            return _folded(graph, project, folded, available, out)
    except UnsupportedModelError as error:
        if settings.core == "folded":
            raise
        logger.info("core unrolled: %s", error)
    return _unrolled(files, project, out)


def check_interval(project: HlsProject) -> None:
    """Refuse an interval that is shorter than the words of a sample.

    Raises:
        InputError: it is.
    """
    asked, words = project.settings.interval_cycles, project.words_per_sample
    if 0 < asked < words:
        raise InputError(
            f"a sample every {asked} clocks is not possible: it has {words} stream words, one a "
            f"clock",
            where="interval_cycles",
            remedy=f"ask for {words} or more, or use words packed",
        )


def _is_better(folded: FoldedEstimate, graph: Graph, available: Resources) -> bool:
    """Whether a folded core is clearly smaller, fits the part, and keeps the stream's rate."""
    unrolled, lut = unrolled_luts(graph), folded.resources.lut
    if missing := shortfall(folded.resources, available):
        reason = f"folded it does not fit: {missing}"
    elif folded.interval > folded.asked * 1.01 and unrolled <= available.lut:
        reason = f"folded it takes {folded.interval} clocks a sample, because of {folded.limiting}"
    elif lut > CLEARLY * unrolled:
        reason = f"folded it takes {lut} LUTs by estimate, unrolled {unrolled}"
    else:
        logger.info(
            "core folded: by estimate %d LUTs and %d DSPs at %d clocks a sample; unrolled %d LUTs",
            lut,
            folded.resources.dsp,
            folded.interval,
            unrolled,
        )
        return True
    logger.info("core unrolled: %s", reason)
    return False


def _folded(
    graph: Graph, project: HlsProject, planned: FoldedEstimate, available: Resources, out: Path
) -> CoreReport:
    for line in planned.table(available):
        logger.info("%s", line)
    if missing := shortfall(planned.resources, available):
        logger.warning("WARNING: by estimate the folded core does not fit: %s", missing)
    try:
        return build_folded(graph, project, planned, out)
    except UnsupportedModelError:
        shutil.rmtree(out / "rtl")  # what was written up to that layer
        raise


def _unrolled(files: Path, project: HlsProject, out: Path) -> CoreReport:
    settings = project.settings
    return build_core(files, settings.project_name, out, clock_period_ns=settings.clock_period_ns)
