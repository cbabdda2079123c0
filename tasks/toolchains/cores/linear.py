"""Traces sums of products, for Dense layers and convolutions.

The C simulation multiplies exactly, assigns every product to accum_t, adds the products one by one
to the bias in accum_t, and assigns the sum to the result type. Where accum_t keeps all fractional
bits and either wraps (which is linear) or is wide enough, that equals an exact matrix product,
which alkaid builds from few shared adders. Products that accum_t rounds are rounded one by one,
and sums that accum_t may saturate are added in the order of the C++.
"""

from collections.abc import Sequence

import numpy as np
from alkaid.trace import FVariable, FVArray
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats, powers, signs
from tasks.toolchains.cores.graph import Node

Matrix = NDArray[np.float64]

ROUND_APART = ("TRN", "RND", "RND_MIN_INF")
"""Rounding modes with round(n + x) = n + round(x) for every whole n."""


def dense(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace Dense, along the last axis of a tensor of rank above 1."""
    rows = inputs[0].reshape(-1, node.integer("n_in"))
    weights = kernel(node, rows.shape[1], node.integer("n_out"))
    bias = node.weights("bias")
    return stack([dot(node, row, weights, bias) for row in rows])


def kernel(node: Node, n_in: int, n_out: int) -> Matrix:
    """Return the weights of a matrix product, inputs by outputs."""
    strategy = str(node.attributes.get("strategy", "latency")).lower()
    if strategy not in ("latency", "resource", "resource_unrolled"):
        raise node.unsupported(
            f"has the strategy {strategy!r}", "use the strategy Latency or Resource"
        )
    weights = node.weights("weight")
    if node.attributes.get("_weights_transposed"):
        return weights.reshape(n_out, n_in).T
    return weights.reshape(n_in, n_out)


def stack(rows: Sequence[FVArray]) -> FVArray:
    """Return rows of traced values as one array."""
    return formats.like(rows[0], np.stack([np.asarray(row) for row in rows]))


def dot(node: Node, x: FVArray, weights: Matrix, bias: Matrix, name: str = "weight") -> FVArray:
    """Trace bias + x @ weights as the layer accumulates it: x (n), weights (n, m), bias (m)."""
    accum, terms = node.format("accum_t"), len(weights)
    x, weights, offsets = signs.operands(node, x, weights, name)
    x, weights = powers.operands(node, x, weights)
    start = formats.cast_constants(bias, accum) + offsets.sum(axis=0)
    rounded = _loses_bits(x, weights, accum)
    saturates = _may_saturate(x, weights, start, accum, rounded)
    results = np.empty(len(start), dtype=object)
    results[~saturates] = np.asarray(
        _sum(x, weights[:, ~saturates], start[~saturates], accum, rounded[:, ~saturates])
    )
    if saturates.any() and node.attributes.get("strategy") != "latency":
        raise node.unsupported(
            "adds in an accumulator that may saturate, in the order of the strategy Resource",
            "use the strategy Latency, or give it a wider accum_t or one that wraps",
        )
    if saturates.any() and offsets.any():
        raise node.unsupported(
            "counts equal signs in an accumulator that may saturate",
            "give it a wider accum_t or one that wraps",
        )
    for column in np.flatnonzero(saturates):
        results[column] = _sum_in_order(x, weights[:, column], float(start[column]), accum)
    if signs.counts_equal(node, name):
        results = np.array([signs.sum_of_signs(count, terms) for count in results], dtype=object)
    return formats.like(x, results)


def _loses_bits(x: FVArray, weights: Matrix, accum: FixedPoint) -> NDArray[np.bool_]:
    """Return which products have bits below the accumulator's last one."""
    steps = np.array([value.step for value in np.asarray(x)])
    return steps[:, None] * _last_bit(weights) < formats.resolution(accum)


def _last_bit(values: Matrix) -> Matrix:
    """Return the weight of the lowest bit that is set; infinity for 0."""
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    last = np.ldexp((whole & -whole).astype(np.float64), exponent - 53)
    return np.where(values == 0, np.inf, last)


def _may_saturate(
    x: FVArray, weights: Matrix, start: Matrix, accum: FixedPoint, rounded: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return for which outputs a product or partial sum may overflow a saturating accumulator."""
    if accum.saturation == "WRAP":
        return np.zeros(len(start), dtype=np.bool_)
    ends = np.array([(value.low, value.high) for value in np.asarray(x)])
    products = np.stack([ends[:, :1] * weights, ends[:, 1:] * weights])
    margin = rounded * formats.resolution(accum)
    least, most = products.min(axis=0) - margin, products.max(axis=0) + margin
    low, high = formats.bounds(accum)
    lowest = start + np.minimum(least, 0).sum(axis=0)
    highest = start + np.maximum(most, 0).sum(axis=0)
    products_outside = ((least < low) | (most > high)).any(axis=0)
    return np.asarray(products_outside | (lowest < low) | (highest > high))


def _sum(
    x: FVArray, weights: Matrix, start: Matrix, accum: FixedPoint, rounded: NDArray[np.bool_]
) -> FVArray:
    """Sum in any order, for an accumulator that wraps or cannot overflow."""
    exact = product(x, np.where(rounded, 0.0, weights)) + start
    terms: list[list[FVariable]] = [[value] for value in np.asarray(exact)]
    for row in np.flatnonzero(rounded.any(axis=1)):
        columns = np.flatnonzero(rounded[row])
        products = product(x[row : row + 1], weights[row : row + 1, columns])
        for column, value in zip(columns, np.asarray(products), strict=True):
            terms[column].append(formats.round_one(value, accum.fraction, accum.rounding))
    sums = [_add(values) for values in terms]
    return formats.cast(formats.like(x, np.array(sums, dtype=object)), accum)


def _add(terms: Sequence[FVariable]) -> FVariable:
    """Return an exact sum, which alkaid turns into a balanced tree."""
    return np.sum(FVArray(np.array(terms, dtype=object)))


def accumulate(terms: Sequence[FVariable], accum: FixedPoint) -> FVariable:
    """Add the terms in order, starting at 0, and assign each sum to the accumulator."""
    whole = all(term.step >= formats.resolution(accum) for term in terms)
    if whole or accum.rounding in ROUND_APART:
        rounded = [formats.round_one(term, accum.fraction, accum.rounding) for term in terms]
        low, high = formats.bounds(accum)
        lowest = sum(min(term.low, 0.0) for term in rounded)
        highest = sum(max(term.high, 0.0) for term in rounded)
        if accum.saturation == "WRAP" or low <= lowest <= highest <= high:
            return formats.cast_one(_add(rounded), accum)
    total = FVariable.from_const(0.0, terms[0].hwconf)
    for term in terms:
        total = formats.cast_one(total + term, accum)
    return total


def tree_sum(terms: Sequence[FVariable], accum: FixedPoint) -> FVariable:
    """Add in the order of nnet::reduce, with a power of two of the terms on the left."""
    if len(terms) == 1:
        return terms[0]
    left = 1 << (len(terms) - 1).bit_length() - 1
    total = tree_sum(terms[:left], accum) + tree_sum(terms[left:], accum)
    return formats.cast_one(total, accum)


def scale(value: FVariable, factor: float) -> FVariable:
    """Multiply a traced value by a constant."""
    if factor in (-1, 0, 1):
        return value * factor
    return product(FVArray(np.array([value], dtype=object)), np.array([[factor]]))[0]


def product(x: FVArray, weights: Matrix) -> FVArray:
    """Return exact x @ weights; weights wider than the float32 of alkaid's solver are split."""
    known = np.array([formats.is_constant(value) for value in np.asarray(x)])
    offset = np.array([value.low for value in np.asarray(x)[known]], np.float64) @ weights[known]
    if known.all():
        return formats.like(x, offset.astype(object))
    x, weights, start = _unsigned_bits(x[~known], weights[~known])
    top = weights.astype(np.float32).astype(np.float64)
    rest = weights - top
    total = x @ top + (offset + start)
    return total + product(x, rest) if rest.any() else total


def _unsigned_bits(x: FVArray, weights: Matrix) -> tuple[FVArray, Matrix, NDArray[np.float64]]:
    """Replace one-bit values that are signed, or come from an inverted bit, by unsigned bits.

    alkaid 0.8.2 looks up sums of one-bit values, and treats each as an unsigned bit as it is.

    Returns:
        The bits, their weights, and a constant to add to the products.
    """
    bits, factors, constants = [], [], []
    for value in np.asarray(x):
        one_bit = sum(value.kif) == 1
        if one_bit and value.low < 0:
            bits.append(value.is_negative())
        elif one_bit and value._factor < 0:  # noqa: SLF001  # alkaid has no public name for it
            bits.append((value - value.high).is_negative())
        else:
            bits.append(value)
        changed = bits[-1] is not value
        factors.append(-value.step if changed else 1.0)
        constants.append(value.high if changed else 0.0)
    scaled = weights * np.array(factors)[:, None]
    return formats.like(x, np.array(bits, dtype=object)), scaled, np.array(constants) @ weights


def _sum_in_order(
    x: FVArray, weights: NDArray[np.float64], start: float, accum: FixedPoint
) -> FVariable:
    """Add products one by one; assign each product and each sum to the accumulator."""
    total = FVariable.from_const(start, x.hwconf)
    for value, weight in zip(np.asarray(x), weights, strict=True):
        term = formats.cast_one(scale(value, float(weight)), accum)
        total = formats.cast_one(total + term, accum)
    return total
