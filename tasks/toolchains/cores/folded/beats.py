"""Adds what GarNet is made of to a folded core: streams whose beats repeat, meet and are summed."""

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from alkaid.trace import FVariable
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint, Resources
from tasks.toolchains.cores import formats
from tasks.toolchains.cores.folded import lanes, memory, plan, timing
from tasks.toolchains.cores.folded.arithmetic import raw, smallest_format
from tasks.toolchains.cores.folded.design import Design, common
from tasks.toolchains.cores.folded.elements import AHEAD, pipeline
from tasks.toolchains.cores.folded.netlist import Link
from tasks.toolchains.cores.folded.timing import Clocks
from tasks.toolchains.cores.graph import Node

logger = logging.getLogger(__name__)

Values = NDArray[np.float64]
Computed = Callable[[list[FVariable]], list[FVariable]]
"""Computes a lane's outputs from the elements of its sources and its constants."""

LATENCY = 12
"""Latency that an estimate assumes for a lane, which is not traced."""
NONE = Resources(lut=0, ff=0, dsp=0, bram_36k=0)


def plain(target: FixedPoint) -> FixedPoint:
    """Return the format without modes: values in it are as they are."""
    return FixedPoint(width=target.width, integer=target.integer, signed=target.signed)


def repeated(design: Design, node: Node, link: Link, times: int, *, whole: bool = False) -> Link:
    """Return the stream with each of its beats, or a sample as a whole, several times in a row."""
    if times == 1:
        return link
    width = link.beats if whole or link.beats % 2 else 2
    by_row, by_beat = (times, 1) if whole else (1, times)
    accepted, offered = timing.repeated(design.offered(link), width, 1, (by_row, by_beat))
    link = design.ahead_of(link, accepted)
    result = design.netlist.link(link.format, link.par, link.beats * times, link.par)
    design.offer(result, offered)
    parameters = {"W": link.bits, "GROUPS": 1, "WIDTH": width}
    parameters |= {"X_TIMES": by_beat, "Y_TIMES": by_row}
    design.netlist.between("stream_repeat", parameters, link, result)
    blocks = memory.queue_blocks(width, link.bits)
    luts = 0 if blocks else plan.queue_luts(width, link.bits)
    design.note(node.name, f"{times} times", result.beats, lut=luts + 60, bram=blocks)
    return result


def split(design: Design, link: Link) -> tuple[Link, Link]:
    """Return streams of the first element of each beat, and of the others."""
    width, results = link.format.width, []
    for first, count in ((0, 1), (1, link.par - 1)):
        part = design.netlist.link(link.format, count, link.beats, count)
        source = f"{link.name}_data[{first * width} +: {count * width}]"
        design.netlist.assign(f"{part.name}_data", source)
        results.append(design.alike(part, link))
    design.netlist.fork(link, results)
    return results[0], results[1]


def _cut(design: Design, link: Link, fraction: int) -> Link:
    """Return the stream without fraction bits beyond those given, which are 0 in all elements."""
    old, cut = link.format.width, link.format.fraction - fraction
    if cut <= 0:
        return link
    narrow = link.format.model_copy(update={"width": old - cut})
    result = design.netlist.link(narrow, link.row, link.rows, link.par)
    for k in range(link.par):
        target = f"{result.name}_data[{k * narrow.width} +: {narrow.width}]"
        source = f"{link.name}_data[{k * old + cut} +: {narrow.width}]"
        design.netlist.assign(target, source)
    dropped = [f"{link.name}_data[{k * old} +: {cut}]" for k in range(link.par)]
    unused = design.netlist.wire(1, "unused")
    design.netlist.assign(unused, f"&{{1'b0, {', '.join(dropped)}}}")
    design.netlist.pass_on(link, result)
    return design.alike(result, link)


def _held_for(design: Design, link: Link, accepted: Clocks) -> Link:
    """Return a stream behind a queue for the beats by which it is ahead.

    In a stack, they may wait for longer than the samples that are followed.
    """
    delay = int((accepted - design.offered(link)).max(initial=0))
    return design.queue(link, accepted, AHEAD + delay // design.target.stream * link.beats)


def _joined(design: Design, sources: Sequence[Link], constants: Values | None) -> Link:
    """Return one stream of the elements of several, and of constants, which repeat by beats."""
    netlist = design.netlist
    offered = np.max([design.offered(source) for source in sources], axis=0)
    if len(sources) > 1:
        accepted = timing.taken(offered, 1)
        sources = [_held_for(design, source, accepted) for source in sources]
    wide = sources[0].format
    for each in sources[1:]:
        wide = common(wide, each.format)
    if constants is not None:
        wide = common(wide, smallest_format(constants))
    sources = [design.reformat(source, wide) for source in sources]
    size = sum(source.par for source in sources)
    size += 0 if constants is None else constants.shape[1]
    both = netlist.link(wide, size, sources[0].beats, size)
    design.offer(both, offered)
    parts = [f"{source.name}_data" for source in sources]
    if constants is not None and constants.shape[1]:
        counter = netlist.counter(both, len(constants))
        bits = constants.shape[1] * wide.width
        parts.append(netlist.table(counter, memory.packed(raw(constants, wide), wide.width), bits))
    netlist.assign(f"{both.name}_data", f"{{{', '.join(reversed(parts))}}}")
    valids = [f"{source.name}_valid" for source in sources]
    netlist.assign(f"{both.name}_valid", " && ".join(valids))
    for source in sources:
        others = [each for each in valids if each != f"{source.name}_valid"]
        netlist.assign(f"{source.name}_ready", " && ".join([f"{both.name}_ready", *others]))
    return both


def lane(  # noqa: PLR0917 - all that a lane depends on
    design: Design,
    node: Node,
    sources: Sequence[Link],
    constants: Values | None,
    compute: Computed,
    answers: Sequence[FixedPoint],
    used: Resources = NONE,
) -> Link:
    """Add a lane that computes a beat from one beat of each source; return its output.

    Args:
        design: to add it to.
        node: the layer.
        sources: streams with equal numbers of beats.
        constants: by beat, repeated; None without any.
        compute: what it computes.
        answers: formats that hold the outputs.
        used: estimate, without its queue.
    """
    link = _joined(design, sources, constants)
    size = len(answers)
    if design.directory is None:
        wide = answers[0]
        for answer in answers[1:]:
            wide = common(wide, answer)
        result = design.netlist.link(wide, size, link.beats, size)
        design.alike(result, link, LATENCY)
    else:
        logger.info("tracing a part of %s", node.name)
        inputs = lanes.any_of(link.format, link.par)
        written = lanes.write(
            design.module("graph"),
            inputs,
            compute(inputs),
            design.directory,
            element=link.format,
            clock_period_ns=design.target.clock_period_ns,
        )
        result = design.netlist.link(written.format, size, link.beats, size)
        output = design.netlist.wire(result.bits, "graph")
        ports = {"clk": "clk", "x": f"{link.name}_data", "y": output}
        design.netlist.instance(written.module, {}, ports)
        pipeline(design, link, result, output, written.latency)
    lut = used.lut + plan.queue_luts(8, result.bits)
    design.note(node.name, f"{size} a clock", link.beats, lut=lut, dsp=used.dsp, bram=used.bram_36k)
    return result


def summed(  # noqa: PLR0917 - all that the unit depends on
    design: Design,
    node: Node,
    link: Link,
    count: int,
    channels: int,
    targets: Sequence[FixedPoint],
) -> Link:
    """Return the sums of a stream's beats; the beats of the channels take turns.

    Args:
        design: to add them to.
        node: the layer.
        link: terms, which have no fraction bits that their sums lack.
        count: terms of a sum.
        channels: sums at a time.
        targets: format of the sums of each element.
    """
    wide = targets[0]
    for target in targets[1:]:
        wide = common(wide, target)
    link = _cut(design, link, wide.fraction)
    size = len(targets)
    result = design.netlist.link(plain(wide), size, link.beats // count, size)
    last = design.offered(link).reshape(-1, count, channels)[:, -1].ravel()
    design.offer(result, last + 1)
    ends = np.array([formats.bounds(target) for target in targets])
    low, high = (memory.packed(raw(ends[:, side : side + 1].T, wide), wide.width + 1)[0]
                 for side in range(2))  # fmt: skip
    bits = size * (wide.width + 1)
    widths = [target.width + wide.fraction - target.fraction for target in targets]
    parameters: dict[str, int | str] = {
        "N": size,
        "CHANNELS": channels,
        "COUNT": count,
        "XW": link.format.width,
        "X_SIGNED": int(link.format.signed),
        "SHIFT": wide.fraction - link.format.fraction,
        "W": wide.width,
        "SIGNED": int(wide.signed),
        "SATURATES": _flags(target.saturation != "WRAP" for target in targets),
        "LOW": f"{bits}'h{low:x}",
        "HIGH": f"{bits}'h{high:x}",
        "WIDTHS": f"{size * 8}'h{sum(width << 8 * k for k, width in enumerate(widths)):x}",
        "SIGNS": _flags(target.signed for target in targets),
    }
    design.netlist.between("stream_sum", parameters, link, result)
    luts = 3 * size * wide.width + plan.queue_luts(channels, result.bits)
    design.note(node.name, f"sums of {count}", link.beats, lut=luts)
    return result


def _flags(values: Iterable[bool]) -> str:
    flags = list(values)
    return f"{len(flags)}'h{sum(int(flag) << k for k, flag in enumerate(flags)):x}"
