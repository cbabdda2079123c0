"""Traces GarNet and GarNetStack as nnet_garnet.h computes them, for means over the vertices.

Each aggregator weighs every vertex by exp(-d^2), where d is a linear function of the vertex's
features. The weights and the weighed features are averaged over all vertices, of which only the
first ones, as counted by the second input, are present. Linear functions of the averages, weighed
by a vertex's own weights, are its new features; those of the last sublayer are averaged in turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import TypeAlias

import numpy as np
from alkaid.trace import FVariable, FVArray
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import scale
from tasks.toolchains.cores.tables import lookup

Number: TypeAlias = FVariable | float
Values = NDArray[np.float64]

KINDS = ("GarNet", "GarNetStack")

DISTANCE = FixedPoint(width=12, integer=4, rounding="TRN", saturation="SAT")
_EXPONENTIAL = FixedPoint(width=25, integer=9)  # the C++ multiplies -d, of 13 bits, by d


@dataclass(frozen=True)
class Sublayer:
    """One GarNet, or one of a stack; types as in nnet_garnet.h.

    Attributes:
        data: format of the vertices' features.
        edge: of the edge weights, and of their means.
        edge_sum: of sums of edge weights.
        aggregate: of sums of weighed features, and of linear functions of their means.
        output: of the new features.
        bias: of the biases of the new features.
        distances: weights of the distances, aggregators x features.
        distance_biases: by aggregator.
        weights: outputs x aggregators x features.
        weight_biases: outputs x aggregators.
        biases: by output.
    """

    data: FixedPoint
    edge: FixedPoint
    edge_sum: FixedPoint
    aggregate: FixedPoint
    output: FixedPoint
    bias: FixedPoint
    distances: Values
    distance_biases: Values
    weights: Values
    weight_biases: Values
    biases: Values

    def edge_weight(
        self, x: Sequence[FVariable], weights: Sequence[Number], bias: Number, present: FVariable
    ) -> FVariable:
        """Trace the weight of a vertex for an aggregator; 0 if the vertex is not present.

        Args:
            x: the vertex's features.
            weights: of its distance from the aggregator.
            bias: of the distance, in its format.
            present: one bit.
        """
        distance = bias
        for value, weight in zip(x, weights, strict=True):
            step = formats.cast_one(times(value, weight), DISTANCE)
            distance = formats.cast_one(distance + step, DISTANCE)
        return present.msb_mux(lookup(distance, self._entries), 0.0)

    def _entries(self, distances: Values) -> Values:
        """Return the table of edge weights: 1 saturates to the largest below it."""
        results = formats.cast_constants(
            np.array([exp(-each * each) for each in distances.tolist()]), _EXPONENTIAL
        )
        saturated = self.edge.model_copy(update={"saturation": "SAT"})
        weights = formats.cast_constants(results, self.edge)
        return np.where(distances == 0, formats.cast_number(1.0, saturated), weights)

    def weighed(self, x: FVariable, weight: FVariable) -> FVariable:
        """Trace a feature of a vertex, multiplied by the vertex's weight."""
        return formats.cast_one(x * weight, self.data)

    def base(
        self,
        edge: FVariable,
        features: Sequence[FVariable],
        bias: Number,
        weights: Sequence[Number],
    ) -> FVariable:
        """Trace an aggregator's share of an output, from its mean weight and mean features."""
        total = formats.cast_one(times(edge, bias), self.aggregate)
        for value, weight in zip(features, weights, strict=True):
            total = formats.cast_one(total + times(value, weight), self.aggregate)
        return total

    def mean_bias(self, bias: Number, count: FVariable, vertices: int) -> FVariable:
        """Trace a bias of the mean over all vertices, of which `count` are present.

        Args:
            bias: in the format of sums of weighed features.
            count: of vertices.
            vertices: of a sample.
        """
        total = formats.cast_one(times(count, bias), self.aggregate)
        return formats.cast_one(divided(total, vertices, self.aggregate), self.bias)


def times(value: FVariable, factor: Number) -> FVariable:
    """Trace a product."""
    return value * factor if isinstance(factor, FVariable) else scale(value, factor)


def divided(total: FVariable, count: int, target: FixedPoint) -> FVariable:
    """Trace a sum divided by a power of two, rounded down to its format's last bit."""
    return formats.round_one(total * (1 / count), target.fraction, "TRN")


def is_present(vertex: Number, group: Number, count: FVariable) -> FVariable:
    """Trace whether a vertex is among the first `count`.

    The C++ looks for the vertex of that number in the last group of vertices. If the count has a
    fraction, no vertex has it, and the group is complete; if it is negative, all of them are.

    Args:
        vertex: its number.
        group: number of the first vertex of its group.
        count: of vertices.
    """
    before = (vertex - count).is_negative()
    if count.step < 1:
        rest = FixedPoint(width=count.kif[2], integer=0, signed=False)
        fraction = formats.cast_one(count, rest).unary_bit_op("any")
        before = fraction.msb_mux((group - count).is_negative(), before)
    return before | count.is_negative() if count.low < 0 else before


def sublayers(node: Node) -> list[Sublayer]:
    """Return the sublayers of a GarNetStack, or the single one of a GarNet.

    Raises:
        UnsupportedModelError: the layer has a form whose outputs hls4ml leaves undefined.
    """
    if node.attributes.get("collapse") != "mean" or node.attributes.get("mean_by_nvert"):
        raise node.unsupported(
            "does not average over all vertices", "use collapse='mean' and mean_by_nvert=False"
        )
    stack = node.kind == "GarNetStack"
    found = []
    data = node.inputs[0].format
    for number in range(node.integer("n_sublayers", 1)):
        marked = f"_{number}_" if stack else "_"
        sizes = {
            name: node.attributes[name][number] if stack else node.integer(name)
            for name in ("n_in_features", "n_aggregators", "n_out_features")
        }
        features, aggregators, outputs = sizes.values()
        biases = f"output_transform{marked}biases"
        found.append(
            Sublayer(
                data=data,
                edge=node.format("edge_weight_t"),
                edge_sum=node.format("edge_weight_aggr_t"),
                aggregate=node.format("aggr_t"),
                output=node.output.format,
                bias=node.weight_format(biases),
                distances=node.weights(f"aggregator_distance{marked}weights").reshape(
                    aggregators, features
                ),
                distance_biases=formats.cast_constants(
                    node.weights(f"aggregator_distance{marked}biases"), DISTANCE
                ),
                weights=node.weights(f"input_transform{marked}weights").reshape(
                    outputs, aggregators, features
                ),
                weight_biases=node.weights(f"input_transform{marked}biases").reshape(
                    outputs, aggregators
                ),
                biases=node.weights(biases),
            )
        )
        data = node.output.format
    return found


def group_size(node: Node) -> int:
    """Return how many vertices are averaged at a time: all, but for a reuse factor."""
    return node.integer("n_vertices") // node.integer("reuse_factor", 1)


def garnet(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace GarNet and GarNetStack."""
    vertices, group = node.integer("n_vertices"), group_size(node)
    count = np.asarray(inputs[1]).ravel()[0]
    present = [is_present(v, v // group * group, count) for v in range(vertices)]
    x = [list(row) for row in np.asarray(inputs[0].reshape(vertices, -1))]
    *inner, last = sublayers(node)
    for each in inner:
        edges = _edges(each, x, present)
        edge_means, feature_means = _means(each, x, edges, group)
        x = _distributed(each, edges, edge_means, feature_means)
    edge_means, feature_means = _means(last, x, _edges(last, x, present), group)
    results = np.empty(len(last.biases), dtype=object)
    biases = formats.cast_constants(last.biases, last.aggregate)
    for output, bias in enumerate(biases.tolist()):
        total = formats.cast_one(last.mean_bias(bias, count, vertices), last.output)
        for edge, base in zip(
            edge_means, _bases(last, output, edge_means, feature_means), strict=True
        ):
            total = formats.cast_one(total + edge * base, last.output)
        results[output] = total
    return formats.like(inputs[0], results)


def _edges(
    each: Sublayer, x: list[list[FVariable]], present: list[FVariable]
) -> list[list[FVariable]]:
    """Return the edge weights, vertices x aggregators."""
    return [
        [
            each.edge_weight(row, weights.tolist(), float(bias), there)
            for weights, bias in zip(each.distances, each.distance_biases, strict=True)
        ]
        for row, there in zip(x, present, strict=True)
    ]


def _means(
    each: Sublayer, x: list[list[FVariable]], edges: list[list[FVariable]], group: int
) -> tuple[list[FVariable], list[list[FVariable]]]:
    """Return the means of the edge weights by aggregator, and of the weighed features of each."""
    edge_means, feature_means = [], []
    for aggregator in range(len(each.distance_biases)):
        weights = [row[aggregator] for row in edges]
        edge_means.append(formats.cast_one(_mean(weights, group, each.edge_sum), each.edge))
        columns = zip(*x, strict=True)
        feature_means.append(
            [
                _mean(
                    [each.weighed(value, w) for value, w in zip(column, weights, strict=True)],
                    group,
                    each.aggregate,
                )
                for column in columns
            ]
        )
    return edge_means, feature_means


def _mean(terms: Sequence[FVariable], group: int, target: FixedPoint) -> FVariable:
    """Trace a mean of terms, group by group, in the order of the C++."""
    groups = [terms[start : start + group] for start in range(0, len(terms), group)]
    means = [divided(_sum(each, target), group, target) for each in groups]
    return divided(_sum(means, target), len(groups), target)


def _sum(terms: Sequence[FVariable], target: FixedPoint) -> FVariable:
    total = FVariable.from_const(0.0, terms[0].hwconf)
    for term in terms:
        total = formats.cast_one(total + term, target)
    return total


def _bases(
    each: Sublayer, output: int, edge_means: list[FVariable], feature_means: list[list[FVariable]]
) -> list[FVariable]:
    """Return each aggregator's share of an output."""
    return [
        each.base(edge, features, float(bias), weights.tolist())
        for edge, features, bias, weights in zip(
            edge_means, feature_means, each.weight_biases[output], each.weights[output], strict=True
        )
    ]


def _distributed(
    each: Sublayer,
    edges: list[list[FVariable]],
    edge_means: list[FVariable],
    feature_means: list[list[FVariable]],
) -> list[list[FVariable]]:
    """Return the new features of each vertex."""
    bases = [_bases(each, output, edge_means, feature_means) for output in range(len(each.biases))]
    x = []
    for weights in edges:
        row = []
        for bias, base in zip(each.biases, bases, strict=True):
            total: Number = formats.cast_number(float(bias), each.output)
            for weight, share in zip(weights, base, strict=True):
                step = formats.cast_one(weight * share, each.output)
                total = formats.cast_one(step + total, each.output)
            row.append(total)
        x.append(row)
    return x
