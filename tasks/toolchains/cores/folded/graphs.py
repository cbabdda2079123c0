"""Builds GarNet and GarNetStack: one vertex and aggregator a clock.

A vertex is repeated for each aggregator, beside constants from memory. Lanes, which are traced with
the functions of the unrolled core, compute its terms, and sums take these in the order of the C++.
Of an inner sublayer, the edge weights wait in a queue until the means are known, whose linear
functions are then read again for each vertex.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from alkaid.trace import FVariable
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint, Resources
from tasks.toolchains.cores import formats, garnet
from tasks.toolchains.cores.folded import beats, memory
from tasks.toolchains.cores.folded.arithmetic import smallest_format
from tasks.toolchains.cores.folded.design import Design, common
from tasks.toolchains.cores.folded.elements import lanes_behind
from tasks.toolchains.cores.folded.netlist import Link
from tasks.toolchains.cores.garnet import Sublayer
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import ROUND_APART

Values = NDArray[np.float64]
LUTS_OF_SUM = 4
"""LUTs per bit of a value that is multiplied, rounded and added, without the product itself.

Fitted to a GarNet of 4 features and 4 aggregators, as Yosys maps it: products go to DSP blocks.
"""

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
        edges, terms = beats.split(design, _weighed(design, node, each, x, there, edges=True))
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
        present = garnet.is_present(
            vertex, first, formats.cast_one(there, beats.plain(count.format))
        )
        return [*(formats.cast_one(value, beats.plain(each.data)) for value in row), present]

    sources = [x, beats.repeated(design, node, count, vertices)]
    marked = beats.lane(design, node, sources, places, mark, [*[each.data] * features, BIT])
    constants = np.concatenate([each.distance_biases[:, None], each.distances], axis=1)
    weight_format = smallest_format(each.distances)

    def weigh(values: list[FVariable]) -> list[FVariable]:
        row = [formats.cast_one(value, beats.plain(each.data)) for value in values[:features]]
        present = formats.cast_one(values[features], BIT)
        bias = formats.cast_one(values[features + 1], beats.plain(garnet.DISTANCE))
        weights = [formats.cast_one(value, weight_format) for value in values[features + 2 :]]
        edge = each.edge_weight(row, weights, bias, present)
        weighed = (_rounded(each.weighed(value, edge), each.aggregate) for value in row)
        return [*[edge] * edges, _rounded(edge, each.edge_sum), *weighed]

    each_pair = beats.repeated(design, node, marked, len(each.distances))
    terms = [_less(each.edge, each.edge_sum), *[_less(each.data, each.aggregate)] * features]
    used = Resources(
        lut=LUTS_OF_SUM * features * (each.data.width + garnet.DISTANCE.width),
        ff=0,
        dsp=2 * features,
        bram_36k=memory.blocks(1 << garnet.DISTANCE.width, each.edge.width),
    )
    answers = [*[each.edge] * edges, *terms]
    return beats.lane(design, node, [each_pair], constants, weigh, answers, used)


def _means(design: Design, node: Node, each: Sublayer, terms: Link) -> Link:
    """Return the mean edge weight and the mean features of each aggregator."""
    aggregators, group = len(each.distances), garnet.group_size(node)
    groups = node.integer("n_vertices") // group
    targets = [each.edge_sum, *[each.aggregate] * (terms.par - 1)]

    def divide(by: int, *, finished: bool) -> beats.Computed:
        def compute(values: list[FVariable]) -> list[FVariable]:
            means = [
                garnet.divided(formats.cast_one(value, beats.plain(target)), by, target)
                for value, target in zip(values, targets, strict=True)
            ]
            return [formats.cast_one(means[0], each.edge), *means[1:]] if finished else means

        return compute

    total = beats.summed(design, node, terms, group, aggregators, targets)
    if groups > 1:
        means = beats.lane(design, node, [total], None, divide(group, finished=False), targets)
        total, group = beats.summed(design, node, means, groups, aggregators, targets), groups
    answers = [each.edge, *targets[1:]]
    return beats.lane(design, node, [total], None, divide(group, finished=True), answers)


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
        edge = formats.cast_one(values[0], beats.plain(each.edge))
        row = values[1 : features + 1]
        means = [formats.cast_one(value, beats.plain(each.aggregate)) for value in row]
        given = values[features + 1 : features + 1 + others]
        bias, *rest = values[features + 1 + others :]
        weights = [formats.cast_one(value, weight_format) for value in rest[:features]]
        base = each.base(edge, means, formats.cast_one(bias, bias_format), weights)
        return [compute(edge, base, [*given, *rest[features:]])]

    sources = [beats.repeated(design, node, sources[0], outputs), *sources[1:]]
    products = features + 2 * len(sources) - 1  # averaged with a count, two more
    used = Resources(
        lut=LUTS_OF_SUM * products * each.aggregate.width, ff=0, dsp=products, bram_36k=0
    )
    return beats.lane(design, node, sources, constants, share, [answer], used)


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
            formats.cast_one(there, beats.plain(count.format)),
            node.integer("n_vertices"),
        )
        return formats.cast_one(start, each.output) + _rounded(edge * base, each.output)

    wide = each.edge.integer + each.aggregate.integer + 1
    fraction = min(each.edge.fraction + each.aggregate.fraction, each.output.fraction)
    answer = _wider(FixedPoint(width=wide + fraction, integer=wide), each.output)
    sources = [means, beats.repeated(design, node, count, outputs * aggregators)]
    terms = _bases(design, node, each, sources, biases, compute, answer)
    return beats.summed(design, node, terms, aggregators, outputs, [each.output])


def _distributed(design: Design, node: Node, each: Sublayer, edges: Link, means: Link) -> Link:
    """Return the new features of each vertex."""
    outputs, aggregators, _ = each.weights.shape
    vertices = node.integer("n_vertices")
    none = np.zeros((aggregators, outputs, 0))
    bases = _bases(
        design, node, each, [means], none, lambda _edge, base, _others: base, each.aggregate
    )
    bases = design.resize(replace(bases, row=outputs, rows=aggregators), outputs)
    bases = beats.repeated(design, node, bases, vertices, whole=True)
    biases = np.zeros((aggregators, outputs))
    biases[0] = formats.cast_constants(each.biases, each.output)
    bias_format = smallest_format(biases)

    def compute(values: list[FVariable]) -> list[FVariable]:
        edge = formats.cast_one(values[0], beats.plain(each.edge))
        shares, starts = values[1 : outputs + 1], values[outputs + 1 :]
        return [
            formats.cast_one(
                edge * formats.cast_one(share, beats.plain(each.aggregate)), each.output
            )
            + formats.cast_one(start, bias_format)
            for share, start in zip(shares, starts, strict=True)
        ]

    used = Resources(lut=LUTS_OF_SUM * outputs * each.output.width, ff=0, dsp=outputs, bram_36k=0)
    answers = [_wider(each.output, each.output)] * outputs
    terms = beats.lane(design, node, [edges, bases], biases, compute, answers, used)
    return beats.summed(design, node, terms, aggregators, 1, [each.output] * outputs)


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
