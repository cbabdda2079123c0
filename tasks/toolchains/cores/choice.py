"""Decides whether a model gets an unrolled core, or one folded to the interval of its samples."""

import logging
import shutil
from pathlib import Path

from board.kinds import board_kinds
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
    settings, streams = project.settings, (project.input, project.output)
    graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
    folded, why = decide(graph, settings, streams, available)
    if why:
        logger.info("%s", why)
    if folded is not None:
        try:
            return _folded(graph, project, folded, available, out)
        except UnsupportedModelError as error:
            if settings.core == "folded":
                raise
            logger.info("core unrolled: %s", error)
    name, period = settings.project_name, settings.clock_period_ns
    return build_core(files, name, out, clock_period_ns=period)


def decide(
    graph: Graph, settings: ConvertSettings, streams: tuple[Stream, Stream], available: Resources
) -> tuple[FoldedEstimate | None, str]:
    """Decide which core to build, by estimate.

    Args:
        graph: the converted model.
        settings: of its conversion; they name a core, or `auto`.
        streams: in and out.
        available: primitives of the part.

    Returns:
        The estimate of the folded core, or None for an unrolled one; and why, if `auto` decided.

    Raises:
        UnsupportedModelError: the requested core cannot compute a layer, which is named.
        DoesNotFitError: no core comes near to fitting the part.
        InputError: the stream cannot deliver samples at the requested interval.
    """
    check_interval(settings, *streams)
    folded, why = _preferred(graph, settings, streams, available)
    used = folded.resources if folded else _unrolled(graph)
    if max(shares(used, available).values()) > HOPELESS:
        raise DoesNotFitError(
            f"{'a folded' if folded else 'an unrolled'} core does not fit: "
            f"{shortfall(used, available)} by estimate",
            where=settings.board_kind,
            remedy=f"{_what_fits(graph, settings, streams, available)}; `overlayflow estimate` "
            "lists what fits each board kind",
        )
    return folded, why


def _preferred(
    graph: Graph, settings: ConvertSettings, streams: tuple[Stream, Stream], available: Resources
) -> tuple[FoldedEstimate | None, str]:
    """Return what `decide` does, whether it fits or not."""
    if settings.core == "unrolled":
        return None, ""
    try:
        folded = estimate(graph, settings, *streams, available)
    except UnsupportedModelError as error:
        if settings.core == "folded":
            raise
        return None, f"core unrolled: {error}"
    if settings.core == "folded":
        return folded, ""
    better, why = judge(folded, unrolled_luts(graph), available)
    return (folded if better else None), why


def _unrolled(graph: Graph) -> Resources:
    return Resources(lut=unrolled_luts(graph), ff=0, dsp=0, bram_36k=0)


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
    if missing := shortfall(planned.resources, available):
        streams = (project.input, project.output)
        remedy = _what_fits(graph, project.settings, streams, available)
        logger.warning("WARNING: by estimate the folded core does not fit: %s; %s", missing, remedy)
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


def _what_fits(
    graph: Graph, settings: ConvertSettings, streams: tuple[Stream, Stream], available: Resources
) -> str:
    """Say at which interval a folded core is expected to fit, or else which board kind it fits."""
    try:
        cores = list(curve(graph, settings, *streams, available))
    except UnsupportedModelError as error:
        return f"it cannot be folded, because {error.what}: use fewer bits or smaller layers"
    fitting = [core.asked for core in cores if not shortfall(core.resources, available)]
    if fitting:
        folded = "" if settings.core != "unrolled" else "core folded and "
        return f"it fits with {folded}interval_cycles {fitting[0]}"
    least = min(max(shares(core.resources, available).values()) for core in cores)
    larger = _smallest_kind(graph, settings, streams)
    return (
        f"folded, at no interval does it take less than {least:.0%} of a resource: "
        f"use {f'{larger}, ' if larger else ''}fewer bits or smaller layers"
    )


def _smallest_kind(graph: Graph, settings: ConvertSettings, streams: tuple[Stream, Stream]) -> str:
    """Name the board kind with the smallest part that a folded core fits; empty if there is none.

    Accelerator cards are left out: they have no AXI DMA for a stream of samples.
    """
    kinds = (kind for kind in board_kinds().values() if kind.processing_system != "x86")
    for kind in sorted(kinds, key=lambda kind: kind.resources.lut):
        available = Resources.of_part(kind.name)
        for core in curve(graph, settings, *streams, available):
            if not shortfall(core.resources, available):
                return f"board kind {kind.name} with interval_cycles {core.asked}"
    return ""
