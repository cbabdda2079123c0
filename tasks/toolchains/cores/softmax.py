"""Traces the four softmax implementations of nnet_activation.h."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from alkaid.trace import FVariable, FVArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import accumulate, tree_sum
from tasks.toolchains.cores.tables import Values, exponential, lookup


def softmax(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace Softmax along one axis, with others before (n_outer) and after it (n_inner)."""
    name = str(node.attributes["implementation"]).lower()
    if name not in IMPLEMENTATIONS:
        raise node.unsupported(f"has the implementation {name!r}")
    outer, inner = node.integer("n_outer", 1), node.integer("n_inner", 1)
    x = inputs[0].reshape(outer, -1, inner)
    results = np.empty(x.shape, dtype=object)
    for i, k in np.ndindex(outer, inner):
        results[i, :, k] = np.asarray(IMPLEMENTATIONS[name](node, x[i, :, k]))
    return formats.like(x, results)


def _stable(node: Node, x: FVArray) -> FVArray:
    """Trace exponentials of the distances to the maximum, which are not negative."""
    distance_format = _distance_format(node)
    largest = np.max(x)
    distances = formats.cast(formats.each(x, lambda value: largest - value), distance_format)
    entries = _table_size(node, "exp_table_size")
    if "inp_norm_t" not in node.attributes and node.inputs[0].format.signed:
        # hls4ml takes the other table's size here.
        entries = min(_table_size(node, "inv_table_size"), 2**distance_format.width)
    return _normalise(node, distances, distance_format, entries, sign=-1)


def _latency(node: Node, x: FVArray) -> FVArray:
    """Trace exponentials of the inputs themselves."""
    return _normalise(node, x, node.inputs[0].format, _table_size(node, "exp_table_size"), sign=1)


def _normalise(node: Node, x: FVArray, x_format: FixedPoint, entries: int, *, sign: int) -> FVArray:
    """Trace exp(sign * x) times the inverse of the sum of all of them."""
    accum, inverse_input = node.format("accum_t"), node.format("inv_inp_t")
    factor = np.float32(node.attributes.get("exp_scale", 1.0))

    def exponentials(values: Values) -> Values:
        results = [exponential(sign * float(np.float32(value) * factor)) for value in values]
        return formats.cast_constants(np.array(results), node.format("exp_table_t"))

    def inverses(values: Values) -> Values:
        with np.errstate(divide="ignore"):
            results = np.float32(1) / values.astype(np.float32)
        return formats.cast_constants(results, node.format("inv_table_t"))

    terms = formats.cast(_top_bits(x, x_format, entries, exponentials), accum)
    total = formats.cast_one(tree_sum(list(np.asarray(terms)), accum), inverse_input)
    entries = _table_size(node, "inv_table_size")
    inverse = _top_bits(formats.like(x, np.array([total])), inverse_input, entries, inverses)
    return terms * inverse[0]


def _top_bits(
    x: FVArray, x_format: FixedPoint, entries: int, table: Callable[[Values], Values]
) -> FVArray:
    """Look up the top bits of each value, as many as a table with `entries` has."""
    dropped = x_format.width - (entries - 1).bit_length()
    fraction = x_format.fraction - dropped
    return formats.each(x, lambda value: lookup(formats.round_one(value, fraction, "TRN"), table))


def _distance_format(node: Node) -> FixedPoint:
    if "inp_norm_t" in node.attributes:
        return node.format("inp_norm_t")
    x = node.inputs[0].format
    return FixedPoint(width=x.width - x.signed, integer=x.integer - x.signed, signed=False)


def _table_size(node: Node, name: str) -> int:
    return node.integer(name, node.integer("table_size"))


def _legacy(node: Node, x: FVArray) -> FVArray:
    """Trace 1 / sum over j of exp(x_j - x_i), both from tables of the type table_t."""
    table_format = node.format("table_t")
    grid = (_table_size(node, "exp_table_size") // 16).bit_length() - 1
    inverse_entries = _table_size(node, "inv_table_size")

    def exponentials(values: Values) -> Values:
        results = [exponential(float(value)) for value in values]
        return formats.cast_constants(np.array(results), table_format)

    def inverses(values: Values) -> Values:
        results = np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
        return formats.cast_constants(results, table_format)

    def difference(one: FVariable, other: FVariable) -> FVariable:
        address = formats.round_one(other - one, grid, "TRN_ZERO")
        return lookup(address.max_of(-8).min_of(8 - 2.0**-grid), exponentials)

    elements = list(np.asarray(x))
    results = np.empty(len(elements), dtype=object)
    for i, one in enumerate(elements):
        terms = [
            FVariable.from_const(formats.cast_number(1.0, table_format), x.hwconf)
            if i == j
            else difference(one, other)
            for j, other in enumerate(elements)
        ]
        fraction = (inverse_entries // 64).bit_length() - 1
        total = formats.round_one(accumulate(terms, table_format), fraction, "TRN_ZERO")
        results[i] = lookup(total.max_of(0.0).min_of(64 - 2.0**-fraction), inverses)
    return formats.like(x, results)


def _argmax(_node: Node, x: FVArray) -> FVArray:
    """Trace 1 for the first of the largest elements, and 0 for the others."""
    elements = list(np.asarray(x))
    results = np.empty(len(elements), dtype=object)
    for i, one in enumerate(elements):
        won: FVariable | float = 1.0
        for j, other in enumerate(elements):
            if j < i:
                won = (other - one).is_negative() & won
            elif j > i:
                won = ~(one - other).is_negative() & won
        results[i] = won
    return formats.like(x, results)


IMPLEMENTATIONS: Mapping[str, Callable[[Node, FVArray], FVArray]] = {
    "argmax": _argmax,
    "latency": _latency,
    "legacy": _legacy,
    "stable": _stable,
}
