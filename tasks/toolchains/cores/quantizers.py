"""Layers that HGQ2 models bring: formats of each element's own, and tables of functions."""

from collections.abc import Sequence

import numpy as np
from alkaid.trace import FVariable, FVArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.tables import Values, lookup


def fixed_point_quantizer(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Assign every element to its own format; one of 0 bits is 0."""
    x = inputs[0]
    modes = {"rounding": node.attributes["RND"], "saturation": node.attributes["SAT"]}
    signed, width, integer = (
        np.broadcast_to(np.array(mask)[0], x.shape).ravel() for mask in node.attributes["mask_kbi"]
    )
    results = np.empty(x.size, dtype=object)
    for index, value in enumerate(np.asarray(x).ravel()):
        if width[index] == 0:
            results[index] = FVariable.from_const(0.0, x.hwconf)
            continue
        target = FixedPoint(
            width=int(width[index]),
            integer=int(integer[index]),
            signed=bool(signed[index]),
            **modes,
        )
        results[index] = formats.cast_one(value, target)
    return formats.like(x, results)


def unary_table(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """A table of the model's own, addressed by the bits of the input."""
    entries = node.weights("table")
    lsb = formats.resolution(node.inputs[0].format)

    def table(values: Values) -> Values:
        return entries[np.mod(values / lsb, 2.0 ** node.inputs[0].format.width).astype(np.int64)]

    return formats.each(inputs[0], lambda value: lookup(value, table))
