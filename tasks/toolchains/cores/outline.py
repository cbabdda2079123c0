"""Estimates the cores of a model in a child process, without building any.

python -m tasks.toolchains.cores.outline REQUEST RESULT
"""

import tempfile
from pathlib import Path

from board.kinds import board_kinds
from tasks.conversion.graph import convert_graph
from tasks.core.errors import UnsupportedModelError
from tasks.core.records.base import CoreName, Cycles, Record
from tasks.core.records.design import LayerEstimate, Resources, Stream
from tasks.core.records.settings import ConvertSettings
from tasks.processes.child import child_main
from tasks.toolchains.cores import choice
from tasks.toolchains.cores.folded.estimate import (
    FoldedEstimate,
    curve,
    estimate,
    shares,
    shortfall,
)
from tasks.toolchains.cores.graph import Graph, load_graph
from tasks.toolchains.cores.size import unrolled_luts


class OutlineRequest(Record):
    """A request for an outline.

    Attributes:
        data: test data, from which open number formats are chosen; random inputs without it.
    """

    model: Path
    data: Path | None
    settings: ConvertSettings


class Folded(Record):
    """Estimate of a folded core.

    Attributes:
        interval_cycles: clocks per sample.
        limiting: the layer that takes most of them, or the stream.
        used: resources, by estimate.
        share: used share of the part's scarcest resource.
    """

    interval_cycles: Cycles
    limiting: str
    used: Resources
    share: float


class OnBoard(Record):
    """The core for a board kind at the requested interval, or at the next longer one that fits.

    Attributes:
        core: chosen by `auto`; None if none fits at any interval.
        interval_cycles: of that core; 1 for an unrolled one.
        message: the reason for this choice.
    """

    board_kind: str
    part: str
    core: CoreName | None
    interval_cycles: Cycles
    share: float
    message: str


class Outline(Record):
    """Estimates of a model's cores.

    Attributes:
        words: stream words per sample, of input or output, whichever is more.
        unrolled_lut: LUTs of an unrolled core.
        chosen: what `auto` chooses for the requested board kind, and why.
        refused: why it cannot be folded; empty if it can.
        layers: of the folded core at the requested interval.
        table: the same as text.
        curve: folded cores at longer and longer intervals, as long as that saves multipliers.
        boards: board kinds, the requested one first.
    """

    words: Cycles
    unrolled_lut: int
    chosen: str
    refused: str = ""
    layers: tuple[LayerEstimate, ...] = ()
    table: tuple[str, ...] = ()
    curve: tuple[Folded, ...] = ()
    boards: tuple[OnBoard, ...]


def outline(request: OutlineRequest) -> Outline:
    """Convert the model's graph, and estimate its cores.

    Raises:
        InputError: model, data or settings cannot be used.
        UnsupportedModelError: the framework or hls4ml cannot take the model.
    """
    with tempfile.TemporaryDirectory() as directory:
        out, settings = Path(directory), request.settings
        streams = convert_graph(request.model, request.data, settings, out)
        choice.check_interval(settings, *streams)
        graph = load_graph(out / "model.fml", out / "project" / "firmware" / "weights")
        unrolled = unrolled_luts(graph)
        here = settings.board_kind
        kinds = (here, *(name for name in board_kinds() if name != here))
        available = Resources.of_part(here)
        words = max(stream.words_per_sample for stream in streams)
        try:
            folded = estimate(graph, settings, *streams, available)
        except UnsupportedModelError as error:
            return Outline(
                words=words,
                unrolled_lut=unrolled,
                chosen=f"core unrolled: {error}",
                refused=str(error),
                boards=tuple(_unrolled_on(name, unrolled) for name in kinds),
            )
        return Outline(
            words=words,
            unrolled_lut=unrolled,
            chosen=choice.judge(folded, unrolled, available)[1],
            layers=folded.layers,
            table=tuple(folded.table(available)),
            curve=tuple(
                _on_paper(each, available) for each in curve(graph, settings, *streams, available)
            ),
            boards=tuple(_on(name, graph, settings, streams, unrolled) for name in kinds),
        )


def _on_paper(folded: FoldedEstimate, available: Resources) -> Folded:
    return Folded(
        interval_cycles=folded.interval,
        limiting=folded.limiting,
        used=folded.resources,
        share=max(shares(folded.resources, available).values()),
    )


def _on(
    name: str,
    graph: Graph,
    settings: ConvertSettings,
    streams: tuple[Stream, Stream],
    unrolled: int,
) -> OnBoard:
    available = Resources.of_part(name)
    for folded in curve(graph, settings, *streams, available):
        missing = shortfall(folded.resources, available)
        better, why = choice.judge(folded, unrolled, available)
        if not better and unrolled <= available.lut:
            return _unrolled_on(name, unrolled, why)
        if not missing:
            return _of_board(name, "folded", folded, available, why)
    why = f"no core fits: folded, {missing} even at {folded.interval} clocks a sample"
    return _of_board(name, None, folded, available, why)


def _of_board(
    name: str, core: CoreName | None, folded: FoldedEstimate, available: Resources, why: str
) -> OnBoard:
    return OnBoard(
        board_kind=name,
        part=board_kinds()[name].part,
        core=core,
        interval_cycles=folded.interval,
        share=max(shares(folded.resources, available).values()),
        message=why,
    )


def _unrolled_on(name: str, unrolled: int, why: str = "") -> OnBoard:
    lut = Resources.of_part(name).lut
    return OnBoard(
        board_kind=name,
        part=board_kinds()[name].part,
        core="unrolled" if unrolled <= lut else None,
        interval_cycles=1,
        share=unrolled / lut,
        message=why,
    )


if __name__ == "__main__":
    child_main(OutlineRequest, outline)
