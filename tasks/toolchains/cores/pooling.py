"""Traces pooling with the padding and the division of nnet_pooling.h."""

from collections.abc import Sequence
from math import ceil, log2

import numpy as np
from alkaid.trace import FVariable, FVArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats, shapes
from tasks.toolchains.cores.convolution import windows
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import accumulate, scale, stack, tree_sum


def pooling(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace Pooling1D and Pooling2D."""
    x = inputs[0]
    padded = shapes.pad(node, x, padding_value(node))
    inside = np.pad(np.ones(x.shape[:-1]), shapes.borders(node, "pad"))[..., None]
    results = []
    for window, present in zip(
        windows(node, padded, "pool"), windows(node, inside, "pool"), strict=True
    ):
        counted = present.size if node.attributes.get("count_pad") else int(present.sum())
        results.append(reduce(node, window.reshape(-1, x.shape[-1]), counted))
    return stack(results)


def global_pooling(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace GlobalPooling1D and GlobalPooling2D."""
    elements = inputs[0].reshape(-1, inputs[0].shape[-1])
    return reduce(node, elements, len(elements))


def padding_value(node: Node) -> float:
    """Return the padding of nnet_pooling.h: 0, or for maxima a value with only the top bit set.

    That is the smallest value of a signed type. For an unsigned type it is half the range, and the
    C simulation may indeed give it as the maximum.
    """
    if node.attributes["pool_op"] != "Max":
        return 0.0
    element = node.inputs[0].format
    top = 2.0 ** (element.integer - 1)
    return -top if element.signed else top


def reduce(node: Node, elements: FVArray, counted: int) -> FVArray:
    """Trace one output pixel: the maximum or mean over the rows, for each channel."""
    accum = node.format("accum_t")
    if node.streaming:
        elements = formats.cast(elements, accum)
    if node.attributes["pool_op"] == "Max":
        return formats.cast(np.max(elements, axis=0), accum)
    add = tree_sum if node.streaming and not node.kind.startswith("Global") else accumulate
    means = [
        divide(add(list(np.asarray(channel)), accum), counted, accum) for channel in elements.T
    ]
    return formats.like(elements, np.array(means, dtype=object))


def divide(value: FVariable, divisor: int, target: FixedPoint) -> FVariable:
    """Trace value / divisor, truncated towards 0 at the last bit of the target, value's format."""
    if divisor & (divisor - 1) == 0:
        quotient = value * (1 / divisor)
    else:
        # y / d = floor(y * ceil(2^s / d) / 2^s) for all 0 <= y < 2^(s - log2 d).
        largest = max(abs(value.low), abs(value.high)) / formats.resolution(target)
        shift = ceil(log2(largest + 1)) + ceil(log2(divisor))
        quotient = scale(value, -(-(2**shift) // divisor) / 2**shift)
    return formats.round_one(quotient, target.fraction, "TRN_ZERO")
