"""Traces layers whose elements have their own parameters: factors, slopes or formats."""

from collections.abc import Sequence

import numpy as np
from alkaid.trace import FVariable, FVArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats, signs
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import scale

PER_ELEMENT = frozenset(("ApplyAlpha", "BatchNormalization", "FixedPointQuantizer", "PReLU"))


def per_element(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace a layer of PER_ELEMENT."""
    x = inputs[0].ravel()
    results = np.empty(x.size, dtype=object)
    pairs = zip(np.asarray(x), parameters(node, x.size), strict=True)
    results[:] = [apply(node, own, value) for value, own in pairs]
    return formats.like(x, results)


def parameters(node: Node, size: int) -> list[tuple[float, ...]]:
    """Return the parameters of each of `size` elements; other layers have none."""
    if node.kind not in PER_ELEMENT:
        return [()] * size
    if node.kind in ("ApplyAlpha", "BatchNormalization"):
        scales, biases = (np.resize(node.weights(name), size) for name in ("scale", "bias"))
        scales, offsets = signs.factors(node, scales, "scale")
        return list(zip(scales.tolist(), (biases + offsets).tolist(), strict=True))
    if node.kind == "PReLU":
        return [(alpha,) for alpha in np.resize(node.weights("param"), size).tolist()]
    shape = node.inputs[0].shape
    masks = (
        np.broadcast_to(np.array(mask)[0], shape).ravel() for mask in node.attributes["mask_kbi"]
    )
    return list(zip(*(mask.tolist() for mask in masks), strict=True))


def apply(node: Node, own: tuple[float, ...], x: FVariable) -> FVariable | float:
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
