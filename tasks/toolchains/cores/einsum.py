"""Traces Einstein sums, which are matrix products once their axes are ordered by hls4ml."""

from collections.abc import Sequence

import numpy as np
from alkaid.trace import FVArray

from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import accumulate, dot


def einsum_dense(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace EinsumDense; the weights are ordered as in place, contracted, free."""
    places, free, out = (
        node.integer(name) for name in ("n_inplace", "n_free_data", "n_free_kernel")
    )
    if node.attributes.get("strategy") != "latency":
        raise node.unsupported("has a strategy other than Latency", "use the strategy Latency")
    x = inputs[0].transpose(*node.attributes["inp_tpose_idxs"]).reshape(places, free, -1)
    weights = node.weights("weight").reshape(places, -1, out)
    bias = node.weights("bias").reshape(places, free, out)
    results = np.empty(bias.shape, dtype=object)
    for i, row in np.ndindex(places, free):
        results[i, row] = np.asarray(dot(node, x[i, row], weights[i], bias[i, row]))
    return _restore(node, formats.like(x, results))


def einsum(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace Einsum of two tensors; products are added one by one in the accumulator."""
    places, free = node.integer("n_inplace"), (node.integer("n_free0"), node.integer("n_free1"))
    left, right = (
        value.transpose(*node.attributes[f"inp{side}_tpose_idxs"]).reshape(places, free[side], -1)
        for side, value in enumerate(inputs)
    )
    accum = node.format("accum_t")
    results = np.empty((places, *free), dtype=object)
    for i, row, column in np.ndindex(*results.shape):
        products = np.asarray(left[i, row] * right[i, column])
        results[i, row, column] = accumulate(list(products), accum)
    return _restore(node, formats.like(left, results))


def _restore(node: Node, result: FVArray) -> FVArray:
    """Return the result with its axes in the output's order."""
    shaped = result.reshape(node.attributes["out_interpert_shape"])
    return shaped.transpose(*node.attributes["out_tpose_idxs"])
