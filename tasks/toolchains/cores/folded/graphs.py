"""Builds GarNet and GarNetStack: one vertex and aggregator a clock.

A vertex is repeated for each aggregator, beside constants from memory. Lanes, which are traced with
the functions of the unrolled core, compute its terms, and sums take these in the order of the C++.
Of an inner sublayer, the edge weights wait in a queue until the means are known, whose linear
functions are then read again for each vertex.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from alkaid.trace import FVariable
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint, Resources
from tasks.toolchains.cores import formats, garnet
from tasks.toolchains.cores.folded import lanes, memory, plan, timing
from tasks.toolchains.cores.folded.arithmetic import raw, smallest_format
from tasks.toolchains.cores.folded.design import Design, common
from tasks.toolchains.cores.folded.elements import AHEAD, lanes_behind, pipeline
from tasks.toolchains.cores.folded.netlist import Link
from tasks.toolchains.cores.folded.timing import Clocks
from tasks.toolchains.cores.garnet import Sublayer
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import ROUND_APART

logger = logging.getLogger(__name__)

Values = NDArray[np.float64]
Computed = Callable[[list[FVariable]], list[FVariable]]
"""Computes a lane's outputs from the elements of its sources and its constants."""

LUTS_OF_SUM = 4
"""LUTs per bit of a value that is multiplied, rounded and added, without the product itself.

Fitted to a GarNet of 4 features and 4 aggregators, as Yosys maps it: products go to DSP blocks.
"""

LATENCY = 12
"""Latency that an estimate assumes for a lane, which is not traced."""
NONE = Resources(lut=0, ff=0, dsp=0, bram_36k=0)
BIT = FixedPoint(width=1, integer=1, signed=False)


def graph(design: Design, node: Node) -> None:
    """Build a GarNet or a GarNetStack."""
    vertices = node.integer("n_vertices")
    sublayers = garnet.sublayers(node)
    *inner, last = sublayers
    for each in sublayers:
        _check(node, each)
    x = design.view(design.read(node.inputs[0].name), node.inputs[0].size // vertices)
    x = design.resize(x, x.row)
    count = design.view(design.read(node.inputs[1].name), 1)
    *counts, final = design.fork(count, len(sublayers) + 1)
    for each, there in zip(inner, counts[:-1], strict=True):
        edges, terms = _split(design, _weighed(design, node, each, x, there, edges=True))
        x = _distributed(design, node, each, edges, _means(design, node, each, terms))
    means = _means(design, node, last, _weighed(design, node, last, x, counts[-1]))
    result = _collapsed(design, node, last, means, final)
    lanes_behind(design, node, replace(result, row=result.rows, rows=1))


def _check(node: Node, each: Sublayer) -> None:
    """Refuse sums whose additions round in another way than their terms, or saturate to 0."""
    for terms, target in (
        (each.edge.fraction, each.edge_sum),
        (each.data.fraction, each.aggregate),
        (each.edge.fraction + each.aggregate.fraction, each.output),
    ):
        if target.saturation == "SAT_ZERO" or (
            terms > target.fraction and target.rounding not in ROUND_APART
        ):
            raise node.unsupported(
                f"adds in {target.text}, which a folded core does not",
                "use core unrolled, or the rounding TRN and saturation SAT or WRAP",
            )


def _weighed(
    design: Design, node: Node, each: Sublayer, x: Link, count: Link, *, edges: bool = False
) -> Link:
    """Return the edge weight and the weighed features of each vertex and aggregator.

    They are rounded for their sums; with `edges`, the edge weight comes first as it is.
    """
    vertices, group = node.integer("n_vertices"), garnet.group_size(node)
    numbers = np.arange(vertices)
    places = np.stack([numbers, numbers // group * group], axis=1).astype(np.float64)
    features = x.par

    def mark(values: list[FVariable]) -> list[FVariable]:
        *row, there, vertex, first = values
        present = garnet.is_present(vertex, first, formats.cast_one(there, plain(count.format)))
        return [*(formats.cast_one(value, plain(each.data)) for value in row), present]

    marked = _lane(design, node, [x, _repeated(design, node, count, vertices)], places, mark,
                   [*[each.data] * features, BIT])  # fmt: skip
    constants = np.concatenate([each.distance_biases[:, None], each.distances], axis=1)
    weight_format = smallest_format(each.distances)

    def weigh(values: list[FVariable]) -> list[FVariable]:
        row = [formats.cast_one(value, plain(each.data)) for value in values[:features]]
        present = formats.cast_one(values[features], BIT)
        bias = formats.cast_one(values[features + 1], plain(garnet.DISTANCE))
        weights = [formats.cast_one(value, weight_format) for value in values[features + 2 :]]
        edge = each.edge_weight(row, weights, bias, present)
        weighed = (_rounded(each.weighed(value, edge), each.aggregate) for value in row)
        return [*[edge] * edges, _rounded(edge, each.edge_sum), *weighed]

    each_pair = _repeated(design, node, marked, len(each.distances))
    terms = [_less(each.edge, each.edge_sum), *[_less(each.data, each.aggregate)] * features]
    used = Resources(
        lut=LUTS_OF_SUM * features * (each.data.width + garnet.DISTANCE.width),
        ff=0,
        dsp=2 * features,
        bram_36k=memory.blocks(1 << garnet.DISTANCE.width, each.edge.width),
    )
    answers = [*[each.edge] * edges, *terms]
    return _lane(design, node, [each_pair], constants, weigh, answers, used)


def _means(design: Design, node: Node, each: Sublayer, terms: Link) -> Link:
    """Return the mean edge weight and the mean features of each aggregator."""
    aggregators, group = len(each.distances), garnet.group_size(node)
    groups = node.integer("n_vertices") // group
    targets = [each.edge_sum, *[each.aggregate] * (terms.par - 1)]

    def divide(by: int, *, finished: bool) -> Computed:
        def compute(values: list[FVariable]) -> list[FVariable]:
            means = [
                garnet.divided(formats.cast_one(value, plain(target)), by, target)
                for value, target in zip(values, targets, strict=True)
            ]
            return [formats.cast_one(means[0], each.edge), *means[1:]] if finished else means

        return compute

    total = _sum(design, node, terms, group, aggregators, targets)
    if groups > 1:
        means = _lane(design, node, [total], None, divide(group, finished=False), targets)
        total, group = _sum(design, node, means, groups, aggregators, targets), groups
    answers = [each.edge, *targets[1:]]
    return _lane(design, node, [total], None, divide(group, finished=True), answers)


def _bases(  # noqa: PLR0917 - all that they depend on
    design: Design,
    node: Node,
    each: Sublayer,
    sources: list[Link],
    more: Values,
    compute: Callable[[FVariable, FVariable, list[FVariable]], FVariable],
    answer: FixedPoint,
) -> Link:
    """Return what `compute` makes of each aggregator's share of an output, for all outputs in turn.

    Args:
        design: to add to.
        node: the layer.
        each: the sublayer.
        sources: the means, and what else the function takes.
        more: its constants, aggregators x outputs x any.
        compute: from the aggregator's mean weight, the share, and the other elements.
        answer: format of its results.
    """
    outputs, aggregators, features = each.weights.shape
    own = np.concatenate([each.weight_biases[:, :, None], each.weights], axis=2)
    constants = np.concatenate([own.transpose(1, 0, 2), more], axis=2)
    constants = constants.reshape(outputs * aggregators, -1)
    others = sum(source.par for source in sources[1:])
    bias_format, weight_format = map(smallest_format, (each.weight_biases, each.weights))

    def share(values: list[FVariable]) -> list[FVariable]:
        edge = formats.cast_one(values[0], plain(each.edge))
        row = values[1 : features + 1]
        means = [formats.cast_one(value, plain(each.aggregate)) for value in row]
        given = values[features + 1 : features + 1 + others]
        bias, *rest = values[features + 1 + others :]
        weights = [formats.cast_one(value, weight_format) for value in rest[:features]]
        base = each.base(edge, means, formats.cast_one(bias, bias_format), weights)
        return [compute(edge, base, [*given, *rest[features:]])]

    sources = [_repeated(design, node, sources[0], outputs), *sources[1:]]
    products = features + 2 * len(sources) - 1  # averaged with a count, two more
    used = Resources(
        lut=LUTS_OF_SUM * products * each.aggregate.width, ff=0, dsp=products, bram_36k=0
    )
    return _lane(design, node, sources, constants, share, [answer], used)


def _collapsed(design: Design, node: Node, each: Sublayer, means: Link, count: Link) -> Link:
    """Return the outputs, averaged over all vertices."""
    outputs, aggregators, _ = each.weights.shape
    biases = np.zeros((aggregators, outputs, 1))
    biases[0, :, 0] = formats.cast_constants(each.biases, each.aggregate)
    bias_format = smallest_format(biases)

    def compute(edge: FVariable, base: FVariable, others: list[FVariable]) -> FVariable:
        there, bias = others
        start = each.mean_bias(
            formats.cast_one(bias, bias_format),
            formats.cast_one(there, plain(count.format)),
            node.integer("n_vertices"),
        )
        return formats.cast_one(start, each.output) + _rounded(edge * base, each.output)

    wide = each.edge.integer + each.aggregate.integer + 1
    fraction = min(each.edge.fraction + each.aggregate.fraction, each.output.fraction)
    answer = _wider(FixedPoint(width=wide + fraction, integer=wide), each.output)
    sources = [means, _repeated(design, node, count, outputs * aggregators)]
    terms = _bases(design, node, each, sources, biases, compute, answer)
    return _sum(design, node, terms, aggregators, outputs, [each.output])


def _distributed(design: Design, node: Node, each: Sublayer, edges: Link, means: Link) -> Link:
    """Return the new features of each vertex."""
    outputs, aggregators, _ = each.weights.shape
    vertices = node.integer("n_vertices")
    none = np.zeros((aggregators, outputs, 0))
    bases = _bases(
        design, node, each, [means], none, lambda _edge, base, _others: base, each.aggregate
    )
    bases = design.resize(replace(bases, row=outputs, rows=aggregators), outputs)
    bases = _repeated(design, node, bases, vertices, whole=True)
    biases = np.zeros((aggregators, outputs))
    biases[0] = formats.cast_constants(each.biases, each.output)
    bias_format = smallest_format(biases)

    def compute(values: list[FVariable]) -> list[FVariable]:
        edge = formats.cast_one(values[0], plain(each.edge))
        shares, starts = values[1 : outputs + 1], values[outputs + 1 :]
        return [
            formats.cast_one(edge * formats.cast_one(share, plain(each.aggregate)), each.output)
            + formats.cast_one(start, bias_format)
            for share, start in zip(shares, starts, strict=True)
        ]

    used = Resources(lut=LUTS_OF_SUM * outputs * each.output.width, ff=0, dsp=outputs, bram_36k=0)
    answers = [_wider(each.output, each.output)] * outputs
    terms = _lane(design, node, [edges, bases], biases, compute, answers, used)
    return _sum(design, node, terms, aggregators, 1, [each.output] * outputs)


# What the parts above are made of.


def plain(target: FixedPoint) -> FixedPoint:
    """Return the format without modes: values in it are as they are."""
    return FixedPoint(width=target.width, integer=target.integer, signed=target.signed)


def _rounded(value: FVariable, target: FixedPoint) -> FVariable:
    """Round a term as the sum of it and others would be."""
    return formats.round_one(value, target.fraction, target.rounding)


def _less(value: FixedPoint, target: FixedPoint) -> FixedPoint:
    """Return the format of a value that is rounded for sums in another format."""
    cut = max(value.fraction - target.fraction, 0)
    return FixedPoint(width=value.width - cut + 1, integer=value.integer + 1, signed=value.signed)


def _wider(value: FixedPoint, other: FixedPoint) -> FixedPoint:
    """Return the format of a sum of two values."""
    both = common(value, other)
    return FixedPoint(width=both.width + 1, integer=both.integer + 1, signed=both.signed)


def _repeated(design: Design, node: Node, link: Link, times: int, *, whole: bool = False) -> Link:
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


def _split(design: Design, link: Link) -> tuple[Link, Link]:
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


def _lane(  # noqa: PLR0917 - all that a lane depends on
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
        lane = lanes.write(
            design.module("graph"),
            inputs,
            compute(inputs),
            design.directory,
            element=link.format,
            clock_period_ns=design.target.clock_period_ns,
        )
        result = design.netlist.link(lane.format, size, link.beats, size)
        output = design.netlist.wire(result.bits, "graph")
        ports = {"clk": "clk", "x": f"{link.name}_data", "y": output}
        design.netlist.instance(lane.module, {}, ports)
        pipeline(design, link, result, output, lane.latency)
    lut = used.lut + plan.queue_luts(8, result.bits)
    design.note(node.name, f"{size} a clock", link.beats, lut=lut, dsp=used.dsp, bram=used.bram_36k)
    return result


def _sum(  # noqa: PLR0917 - all that the unit depends on
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
