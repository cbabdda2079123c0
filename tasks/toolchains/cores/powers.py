"""Weights that are powers of two: nnet_mult.h shifts the input instead of multiplying it.

It shifts in a type of its own, which has as many bits on each side of the binary point as input and
exponent together. Bits shifted out on the right are lost before the sign is applied.
"""

import numpy as np
from alkaid.trace import FVariable, FVArray
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import POWER, Node

Matrix = NDArray[np.float64]


def operands(node: Node, x: FVArray, weights: Matrix) -> tuple[FVArray, Matrix]:
    """Return operands whose exact products are those of nnet_mult.h, in the same order.

    Args:
        node: the layer.
        x: its input, or a part of it.
        weights: by which it is multiplied.
    """
    if node.precision("weight_t") != POWER:
        return x, weights
    elements = np.asarray(x)
    low, high, step = np.array([(each.low, each.high, each.step) for each in elements]).T[..., None]
    exact = _are_exact(node, low, high, step, weights)
    values, factors = [], []
    for value, row, kept in zip(elements, weights, exact, strict=True):
        values.append(value)
        factors.append(np.where(kept, row, 0.0))
        for weight in np.unique(row[~kept]):
            values.append(_shifted(node, value, float(weight)))
            factors.append((row == weight).astype(np.float64))
    return formats.like(x, np.array(values, dtype=object)), np.stack(factors)


def check(node: Node, x: FixedPoint, weights: Matrix) -> None:
    """Check that every product of a layer is exact, so that it can be multiplied.

    Args:
        node: the layer.
        x: format of its inputs.
        weights: by which they are multiplied.

    Raises:
        UnsupportedModelError: a shift loses bits.
    """
    if node.precision("weight_t") != POWER:
        return
    low, high = formats.bounds(x)
    if not _are_exact(node, low, high, formats.resolution(x), weights).all():
        raise node.unsupported(
            "shifts inputs out of the type of its products, which a folded layer does not",
            "use core unrolled, or fewer bits for the exponents",
        )


def _half(node: Node) -> int:
    """Return the bits that the type of the products has on each side of the point."""
    return node.inputs[0].format.width + node.exponent_bits("weight")


def _are_exact(
    node: Node, low: Matrix | float, high: Matrix | float, step: Matrix | float, weights: Matrix
) -> NDArray[np.bool_]:
    """Return which products the type holds, with either sign."""
    half, size = _half(node), np.abs(weights)
    limit = 2.0 ** (half - 1)
    return np.asarray((step * size >= 2.0**-half) & (low * size > -limit) & (high * size < limit))


def _shifted(node: Node, value: FVariable, weight: float) -> FVariable:
    half = _half(node)
    if 2 * half > formats.MAX_WIDTH:
        raise node.unsupported(
            f"shifts inputs out of the type of its products, which has {2 * half} bits",
            f"use at most {formats.MAX_WIDTH // 2} bits for an input and an exponent together",
        )
    target = FixedPoint(width=2 * half, integer=half)
    shifted = formats.cast_one(value * abs(weight), target)
    return shifted if weight > 0 else formats.cast_one(shifted * -1, target)
