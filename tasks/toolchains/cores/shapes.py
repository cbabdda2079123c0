"""Traces layers that only move elements."""

from collections.abc import Sequence

import numpy as np
from alkaid.trace import FVArray

from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import Node


def same(_node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Return the elements in the same order: Reshape, Repack."""
    return inputs[0]


def transpose(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace Transpose; axes are counted without the batch axis."""
    return inputs[0].reshape(node.inputs[0].shape).transpose(*node.attributes["perm"])


def concatenate(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace Concatenate; for hls4ml, axis 0 is the batch."""
    axis = node.integer("axis")
    return np.concatenate(inputs, axis=axis - 1 if axis > 0 else axis)


def zero_padding(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace ZeroPadding1D and ZeroPadding2D."""
    return pad(node, inputs[0], 0.0)


def cropping(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace Cropping1D and Cropping2D."""
    kept = tuple(
        slice(before, extent - after)
        for (before, after), extent in zip(
            borders(node, "crop"), node.inputs[0].shape, strict=False
        )
    )
    return inputs[0][kept]


def resize(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace Resize by nearest neighbour, with the indices that nnet_image.h computes."""
    if node.attributes.get("algorithm") != "nearest":
        raise node.unsupported("interpolates", "use the algorithm nearest")
    x = inputs[0]
    for axis, (old, new) in enumerate(zip(x.shape[:-1], node.output.shape[:-1], strict=True)):
        ratio = (old << 16) // new + 1
        x = x.take([position * ratio >> 16 for position in range(new)], axis=axis)
    return x


def pad(node: Node, x: FVArray, value: float) -> FVArray:
    """Pad the spatial axes with a constant, as the layer's pad_* attributes say."""
    around = [*borders(node, "pad"), (0, 0)]
    padded = np.pad(np.asarray(x), around, constant_values=value)
    return formats.like(x, padded)


def borders(node: Node, name: str) -> list[tuple[int, int]]:
    """Return the widths before and after each spatial axis, rows first."""
    sides = [("left", "right")]
    if len(node.inputs[0].shape) > len(("width", "channels")):
        sides.insert(0, ("top", "bottom"))
    return [
        (node.integer(f"{name}_{before}", 0), node.integer(f"{name}_{after}", 0))
        for before, after in sides
    ]
