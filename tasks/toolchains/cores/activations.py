"""Traces piecewise linear activations as nnet_activation.h computes them."""

from collections.abc import Callable, Sequence

import numpy as np
from alkaid.trace import FVArray

from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import scale


def linear(_node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Return the input unchanged."""
    return inputs[0]


def relu(_node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace max(x, 0)."""
    return inputs[0].relu()


def relu_limited(limit: int) -> Callable[[Node, Sequence[FVArray]], FVArray]:
    """Return a tracer of a ReLU that is clipped at a whole number."""

    def trace(_node: Node, inputs: Sequence[FVArray]) -> FVArray:
        return np.clip(inputs[0], 0, limit)

    return trace


def leaky_relu(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace x, multiplied by alpha where it is negative."""
    alpha = parameter(node)
    return formats.each(inputs[0], lambda x: x.is_negative().msb_mux(scale(x, alpha), x))


def thresholded_relu(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace x where it is above theta, and 0 elsewhere."""
    theta = parameter(node)
    return formats.each(inputs[0], lambda x: (theta - x).is_negative().msb_mux(x, 0.0))


def hard_sigmoid(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace slope * x + shift, clipped to 0 to 1."""
    slope, shift = _constant(node, "slope"), _constant(node, "shift")
    line = formats.each(inputs[0], lambda x: scale(x, slope) + shift)
    return np.clip(line, 0, 1)


def hard_tanh(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace 2 * hard_sigmoid(x) - 1."""
    return hard_sigmoid(node, inputs) * 2 - 1


def ternary_tanh(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace 1 above 1/2, -1 up to -1/2, 0 between; 2 x is assigned to the type of x."""
    doubled = formats.cast(inputs[0] * 2, node.inputs[0].format)
    return formats.each(
        doubled,
        lambda x: (1 - x).is_negative() - 1 + (-1 - x).is_negative(),
    )


def parameter(node: Node) -> float:
    """Return the parameter of a ParametrizedActivation, converted to its type."""
    return formats.cast_number(node.attributes.get("activ_param", 1.0), node.format("param_t"))


def _constant(node: Node, name: str) -> float:
    return formats.cast_number(node.attributes[name], node.format(f"{name}_t"))
