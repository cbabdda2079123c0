"""Decides whether a model gets an unrolled core, or one folded to the interval of its samples."""

import logging
import shutil
from pathlib import Path

from tasks.core.errors import DoesNotFitError, InputError, UnsupportedModelError
from tasks.core.records.design import HlsProject, Resources, Stream
from tasks.core.records.settings import ConvertSettings
from tasks.toolchains.cores.core import build_core
from tasks.toolchains.cores.folded.build import build as build_folded
from tasks.toolchains.cores.folded.estimate import (
    FoldedEstimate,
    curve,
    estimate,
    shares,
    shortfall,
)
from tasks.toolchains.cores.graph import Graph, load_graph
from tasks.toolchains.cores.report import CoreReport
from tasks.toolchains.cores.size import unrolled_luts

logger = logging.getLogger(__name__)

HOPELESS = 2.0
"""Estimated share of the part above which a design is refused without running any tool."""

CLEARLY = 0.5
"""Largest share of the unrolled core's LUTs at which folding pays: at about the same size, a folded
core only has the longer latency."""


def build(files: Path, project: HlsProject, available: Resources, out: Path) -> CoreReport:
    """Write the core that the project's settings ask for, or with `auto` the better one.

    Args:
        files: of the convert entry.
        project: the converted model.
        available: primitives of the part.
        out: an existing directory, gets `rtl/`.

    Raises:
        UnsupportedModelError: the requested core cannot compute a layer, which is named.
        DoesNotFitError: by estimate no core comes near to fitting the part.
        InputError: the stream cannot deliver samples at the requested interval.
        ToolError: the traced logic differs from the C simulation.
    """
    settings = project.settings
    check_interval(settings, project.input, project.output)
    if settings.core == "unrolled":
        return _unrolled(files, project, out)
    graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
    try:
        folded = estimate(graph, settings, project.input, project.output, available)
        if settings.core == "folded":
            return _folded(graph, project, folded, available, out)
        better, why = judge(folded, unrolled_luts(graph), available)
        logger.info("%s", why)
        if better:
            return _folded(graph, project, folded, available, out)
    except UnsupportedModelError as error:
        if settings.core == "folded":
            raise
        logger.info("core unrolled: %s", error)
    return _unrolled(files, project, out)


def check_interval(settings: ConvertSettings, *streams: Stream) -> None:
    """Refuse an interval that is shorter than the words of a sample.

    Raises:
        InputError: it is.
    """
    asked = settings.interval_cycles
    words = max(stream.words_per_sample for stream in streams)
    if 0 < asked < words:
        raise InputError(
            f"a sample every {asked} clocks is not possible: it has {words} stream words, one a "
            f"clock",
            where="interval_cycles",
            remedy=f"ask for {words} or more, or use words packed",
        )


def judge(folded: FoldedEstimate, unrolled: int, available: Resources) -> tuple[bool, str]:
    """Decide whether to fold: the folded core must be much smaller, fit and keep the stream's rate.

    If neither core fits, the smaller one is taken.

    Args:
        folded: estimate of the folded core.
        unrolled: LUTs of an unrolled core.
        available: primitives of the part.

    Returns:
        Whether to fold, and the reason in one line.
    """
    lut, missing = folded.resources.lut, shortfall(folded.resources, available)
    fits = unrolled <= available.lut
    if missing and fits:
        reason = f"folded it does not fit: {missing}"
    elif folded.interval > folded.asked * 1.01 and fits:
        reason = f"folded it takes {folded.interval} clocks a sample, because of {folded.limiting}"
    elif lut > (CLEARLY if fits else 1) * unrolled:
        reason = f"folded it takes {lut} LUTs by estimate, unrolled {unrolled}"
    else:
        return True, (
            f"core folded: by estimate {lut} LUTs and {folded.resources.dsp} DSPs at "
            f"{folded.interval} clocks a sample; unrolled {unrolled} LUTs"
        )
    return False, f"core unrolled: {reason}"


def _folded(
    graph: Graph, project: HlsProject, planned: FoldedEstimate, available: Resources, out: Path
) -> CoreReport:
    """Write a folded core; its RTL is checked afterwards, in the shell (open/proof.py)."""
    for line in planned.table(available):
        logger.info("%s", line)
    _check_size(graph, project, planned, available)
    directory = out / "rtl"
    directory.mkdir(parents=True, exist_ok=True)
    try:
        layers = build_folded(graph, project.settings.project_name, planned.target, directory)
    except UnsupportedModelError:
        shutil.rmtree(directory)  # what was written up to that layer
        raise
    traced = FoldedEstimate(planned.target, tuple(layers))
    return CoreReport(
        core="folded",
        latency_cycles=None,
        interval_cycles=traced.interval,
        samples=0,
        estimate=traced.resources,
        luts_by_layer=traced.luts_by_layer,
        layers=traced.layers,
    )


def _check_size(
    graph: Graph, project: HlsProject, planned: FoldedEstimate, available: Resources
) -> None:
    """Warn that a folded core is not expected to fit, and say at which interval it would.

    Raises:
        DoesNotFitError: it is so much too big that no tool needs to run.
    """
    missing = shortfall(planned.resources, available)
    if not missing:
        return
    cores = list(curve(graph, project.settings, project.input, project.output, available))
    fitting = [core.asked for core in cores if not shortfall(core.resources, available)]
    if fitting:
        remedy = f"it fits with interval_cycles {fitting[0]}"
    else:
        least = min(max(shares(core.resources, available).values()) for core in cores)
        remedy = (
            f"at no interval does it take less than {least:.0%} of a resource: use fewer bits, "
            f"smaller layers or a board kind with a larger part"
        )
    if max(shares(planned.resources, available).values()) > HOPELESS:
        raise DoesNotFitError(
            f"a folded core does not fit: {missing} by estimate",
            where=project.settings.board_kind,
            remedy=f"{remedy}; `overlayflow estimate` lists what fits each board kind",
        )
    logger.warning("WARNING: by estimate the folded core does not fit: %s; %s", missing, remedy)


def _unrolled(files: Path, project: HlsProject, out: Path) -> CoreReport:
    settings = project.settings
    return build_core(files, settings.project_name, out, clock_period_ns=settings.clock_period_ns)
