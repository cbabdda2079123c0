"""Traces elementwise layers with two inputs."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from alkaid.trace import FVArray

from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import accumulate

Operation = Callable[[FVArray, FVArray], FVArray]

OPERATIONS: Mapping[str, Operation] = {
    "add": lambda a, b: a + b,
    "average": lambda a, b: (a + b) * 0.5,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": lambda a, b: a * b,
    "subtract": lambda a, b: a - b,
}


def merge(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace one of OPERATIONS; the smaller tensor is repeated, flattened, as in nnet_merge.h."""
    name = str(node.attributes["op"]).lower()
    if name not in OPERATIONS:
        raise node.unsupported(f"has the operation {name!r}")
    size = max(value.size for value in inputs)
    left, right = (value.ravel().take(np.arange(size) % value.size) for value in inputs)
    return OPERATIONS[name](left, right)


def dot_product(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace the dot product of two vectors."""
    accum = node.format("accum_t")
    products = formats.cast(inputs[0] * inputs[1], accum)
    total = accumulate(list(np.asarray(products)), accum)
    return formats.like(inputs[0], np.array([total], dtype=object))
