"""Traces layers whose elements have their own parameters: factors, slopes or formats."""

from collections.abc import Sequence

import numpy as np
from alkaid.trace import FVariable, FVArray
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats, signs
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import scale

PER_ELEMENT = frozenset(("ApplyAlpha", "BatchNormalization", "FixedPointQuantizer", "PReLU"))


def per_element(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace a layer of PER_ELEMENT."""
    x = inputs[0].ravel()
    results = np.empty(x.size, dtype=object)
    pairs = zip(np.asarray(x), parameters(node, x.size).tolist(), strict=True)
    results[:] = [apply(node, own, value) for value, own in pairs]
    return formats.like(x, results)


def parameters(node: Node, size: int) -> NDArray[np.float64]:
    """Return the parameters of `size` elements, a row for each; other layers have none."""
    if node.kind not in PER_ELEMENT:
        return np.empty((size, 0))
    if node.kind in ("ApplyAlpha", "BatchNormalization"):
        scales, biases = (np.resize(node.weights(name), size) for name in ("scale", "bias"))
        scales, offsets = signs.factors(node, scales, "scale")
        return np.column_stack([scales, biases + offsets])
    if node.kind == "PReLU":
        return np.resize(node.weights("param"), (size, 1))
    shape, masks = node.inputs[0].shape, node.attributes["mask_kbi"]
    return np.column_stack([np.broadcast_to(np.array(mask)[0], shape).ravel() for mask in masks])


def apply(node: Node, own: Sequence[float], x: FVariable) -> FVariable | float:
    """Trace a layer of PER_ELEMENT for one element with its parameters."""
    if node.kind in ("ApplyAlpha", "BatchNormalization"):
        factor, bias = own
        return scale(x, factor) + bias
    if node.kind == "PReLU":
        return x.is_negative().msb_mux(scale(x, own[0]), x)
    signed, width, integer = own
    if width == 0:
        return 0.0
    target = FixedPoint.model_validate(
        {
            "width": int(width),
            "integer": int(integer),
            "signed": bool(signed),
            "rounding": node.attributes["RND"],
            "saturation": node.attributes["SAT"],
        }
    )
    return formats.cast_one(x, target)
