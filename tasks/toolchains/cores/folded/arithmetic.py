"""Chooses number formats inside a folded core, so that sums equal those of the C simulation.

The C simulation assigns every product to accum_t and adds the products one by one. A folded layer
adds in another order, so it supports only accumulators for which the order does not matter: those
that wrap, or that no sum can overflow. Everything else is refused, naming the layer.
"""

from dataclasses import dataclass
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats, powers
from tasks.toolchains.cores.graph import Node

Matrix = NDArray[np.float64]

_MANTISSA = 53


@dataclass(frozen=True)
class Sums:
    """How a layer multiplies and accumulates.

    Attributes:
        weight: format that holds every weight of the layer.
        format: of a finished sum.
        cut: fraction bits of a product beyond those of the sum; negative if it has fewer.
        nearest: whether these are rounded to nearest (ties up) instead of down.
        bias: initial value of every sum.
    """

    weight: FixedPoint
    format: FixedPoint
    cut: int
    nearest: bool
    bias: Matrix


def sums(node: Node, x: FixedPoint, weights: Matrix, bias: Matrix) -> Sums:
    """Decide how `bias + x @ weights` is computed, exactly as the C simulation does.

    Args:
        node: the layer, for its accum_t.
        x: format of the inputs.
        weights: inputs by outputs.
        bias: of each output.

    Raises:
        UnsupportedModelError: the result would depend on the order of the additions, or on a
            rounding mode that the matrix-vector unit lacks, or products are not exact.
    """
    powers.check(node, x, weights)
    accum = node.format("accum_t")
    start = formats.cast_constants(bias, accum)
    weight = smallest_format(weights)
    fraction = x.fraction + weight.fraction
    loses = fraction > accum.fraction
    if loses and accum.rounding not in ("TRN", "RND"):
        raise node.unsupported(
            f"rounds its products by {accum.rounding}, which a folded layer does not",
            "use core unrolled, or give its accum_t the rounding TRN or RND",
        )
    kept = accum.fraction if loses else max(fraction, smallest_format(start).fraction)
    low, high = formats.bounds(x)
    products = np.stack([low * weights, high * weights])
    margin = formats.resolution(accum) if loses else 0.0
    lowest = start + np.minimum(products.min(axis=0) - margin, 0).sum(axis=0)
    highest = start + np.maximum(products.max(axis=0) + margin, 0).sum(axis=0)
    least, most = formats.bounds(accum)
    inside = bool((lowest >= least).all() and (highest <= most).all())
    if not inside and accum.saturation != "WRAP":
        raise node.unsupported(
            "adds in an accumulator that may saturate, where the order of the additions counts",
            "use core unrolled, or give it a wider accum_t or one that wraps",
        )
    if inside:
        signed = bool((lowest < 0).any())
        integer = _integer_bits(float(lowest.min()), float(highest.max()), signed=signed)
    else:
        signed, integer = accum.signed, accum.integer
    result = FixedPoint(width=max(integer + kept, 1), integer=integer, signed=signed)
    return Sums(
        weight=weight,
        format=result,
        cut=fraction - kept,
        nearest=loses and accum.rounding == "RND",
        bias=start,
    )


def smallest_format(values: Matrix) -> FixedPoint:
    """Return the narrowest signed format that holds all values exactly."""
    nonzero = values[values != 0]
    if not nonzero.size:
        return FixedPoint(width=1, integer=1)
    mantissa, exponent = np.frexp(nonzero)
    whole = np.ldexp(mantissa, _MANTISSA).astype(np.int64)
    trailing = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    fraction = int((_MANTISSA - exponent - trailing).max())
    integer = _integer_bits(float(nonzero.min()), float(nonzero.max()), signed=True)
    return FixedPoint(width=max(integer + fraction, 1), integer=integer)


def raw(values: Matrix, target: FixedPoint) -> NDArray[np.int64]:
    """Return exact values as whole multiples of the format's last bit."""
    return np.asarray(np.rint(values / formats.resolution(target)), dtype=np.int64)


def _integer_bits(low: float, high: float, *, signed: bool) -> int:
    """Return the integer bits, including the sign, for values from low to high."""
    bits = [ceil(log2(-low))] if low < 0 else []
    if high > 0:
        # A power of two itself needs one bit more.
        bits.append(int(np.frexp(high)[1]))
    return max(bits, default=0) + signed
