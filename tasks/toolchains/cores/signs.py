"""Values of one or two bits: nnet_mult.h has products of their own for signs, without multipliers.

In hls4ml's XnorPrecisionType 0 stands for -1. Two such values have the product 1 if they are equal,
else 0; a sum of these counts the equal ones, and nnet::cast makes the sum of signs of it.
"""

from collections.abc import Sequence

import numpy as np
from alkaid.trace import FVariable, FVArray
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import BINARY, Node

Matrix = NDArray[np.float64]

_TERNARY_BITS = 2


def operands(
    node: Node, x: FVArray, weights: Matrix, name: str = "weight"
) -> tuple[FVArray, Matrix, Matrix]:
    """Return operands whose exact products, plus an offset each, are those of nnet_mult.h.

    Args:
        node: the layer.
        x: its input, or a part of it.
        weights: by which it is multiplied.
        name: of the weights.

    Returns:
        The input, the weights, and the offsets in the shape of the weights.
    """
    if node.inputs[0].binary and not counts_equal(node, name):
        return x * 2 - 1, weights, np.zeros_like(weights)  # each product has the bits of the weight
    return (x, *factors(node, weights, name))


def factors(node: Node, weights: Matrix, name: str) -> tuple[Matrix, Matrix]:
    """Return factors and offsets: factor * input + offset is the product of nnet_mult.h."""
    none = np.zeros_like(weights)
    if counts_equal(node, name):
        return 2 * weights - 1, 1 - weights
    if node.precision(f"{name}_t") == BINARY:
        return 2 * weights - 1, none
    if node.inputs[0].binary:
        return 2 * weights, -weights
    if is_ternary(node, name):  # C++ only asks whether it is 0 or -1
        return np.where(weights == -_TERNARY_BITS, 1.0, weights), none
    return weights, none


def is_ternary(node: Node, name: str) -> bool:
    """Return whether hls4ml treats the weights as ternary: two bits with a sign."""
    if node.precision(f"{name}_t") != "IntegerPrecisionType":
        return False
    target = node.format(f"{name}_t")
    return target.signed and target.width == _TERNARY_BITS


def has_signs(node: Node) -> bool:
    """Return whether a layer has signs that are not numbers: 0 for -1, or -2 for 1."""
    if any(tensor.binary for tensor in (*node.inputs, node.output)):
        return True
    return any(
        node.precision(f"{name}_t") == BINARY
        or (is_ternary(node, name) and bool((node.weights(name) == -_TERNARY_BITS).any()))
        for name in ("weight", "scale")
    )


def counts_equal(node: Node, name: str) -> bool:
    """Return whether a sum of the layer's products counts equal signs."""
    return node.inputs[0].binary and node.precision(f"{name}_t") == BINARY


def sum_of_signs(count: FVariable, terms: int) -> FVariable:
    """Return the sum of the products of signs of which `count` are 1, as nnet::cast types it."""
    width = max(1, (terms - 1).bit_length()) + 2
    target = FixedPoint(width=width, integer=width, rounding="TRN_ZERO")
    return formats.cast_one(count * 2 - terms, target)


def binary_tanh(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace 1, or -1 where x is negative, which one bit holds as 0."""
    negative = 1 if node.output.binary else 2
    return formats.each(inputs[0], lambda x: 1 - x.is_negative() * negative)


def normalized_tanh(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace a BatchNormalization merged with a binary or ternary tanh: x is compared."""
    x = inputs[0].ravel()
    if node.integer("quantize") == len(("-1", "1")):
        limits = np.resize(node.weights("threshold"), x.size)
        results = [
            1 - (value - limit).is_negative()
            for value, limit in zip(np.asarray(x), limits, strict=True)
        ]
    else:
        highs = np.resize(node.weights("threshold_hi"), x.size)
        lows = np.resize(node.weights("threshold_lo"), x.size)
        results = [
            # Above the higher one first, as the C++ asks: with a negative scale, they cross.
            (high - value).is_negative().msb_mux(1.0, (low - value).is_negative() - 1)
            for value, high, low in zip(np.asarray(x), highs, lows, strict=True)
        ]
    return formats.like(x, np.array(results, dtype=object))
