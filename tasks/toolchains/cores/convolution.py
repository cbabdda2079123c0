"""Traces convolutions: one matrix product per output pixel."""

from collections.abc import Iterator, Sequence

import numpy as np
from alkaid.trace import FVArray

from tasks.toolchains.cores import formats, shapes
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import dot, kernel, stack


def convolution(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace Conv1D, Conv2D and their pointwise forms."""
    pixels = list(windows(node, shapes.pad(node, inputs[0], 0.0), "filt"))
    weights = kernel(node, pixels[0].size, node.integer("n_filt"))
    bias = node.weights("bias")
    return stack([dot(node, pixel.ravel(), weights, bias) for pixel in pixels])


def depthwise(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace DepthwiseConv1D and DepthwiseConv2D, with one filter per channel."""
    channels = node.integer("n_chan")
    if node.integer("n_filt", channels) != channels:
        raise node.unsupported("has a depth multiplier above 1", "use a depth multiplier of 1")
    weights, bias = node.weights("weight").reshape(-1, channels), node.weights("bias")
    results = []
    for pixel in windows(node, shapes.pad(node, inputs[0], 0.0), "filt"):
        columns = pixel.reshape(-1, channels)
        sums = [
            dot(node, columns[:, c], weights[:, c : c + 1], bias[c : c + 1])[0]
            for c in range(channels)
        ]
        results.append(formats.like(columns, np.array(sums, dtype=object)))
    return stack(results)


def windows(node: Node, x: FVArray, name: str) -> Iterator[FVArray]:
    """Yield the window of a padded tensor (..., channels) for each output pixel, row by row.

    Args:
        node: layer with the attributes `<name>_width`, `stride_width`, and the same for height.
        x: padded input.
        name: of the window among the attributes: `filt` or `pool`.
    """
    spaces = ["width"] if x.ndim == len(("width", "channels")) else ["height", "width"]
    extents = [node.integer(f"{name}_{space}") for space in spaces]
    strides = [node.integer(f"stride_{space}") for space in spaces]
    dilations = [_dilation(node, space) for space in spaces]
    for pixel in np.ndindex(*node.output.shape[:-1]):
        ranges = [
            slice(start, start + (extent - 1) * dilation + 1, dilation)
            for start, extent, dilation in zip(
                np.multiply(pixel, strides), extents, dilations, strict=True
            )
        ]
        yield x[tuple(ranges)]


def _dilation(node: Node, space: str) -> int:
    return node.integer(f"dilation_{space}", node.integer("dilation", 1))
