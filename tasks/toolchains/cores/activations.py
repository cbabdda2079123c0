"""Piecewise linear activations, as nnet_activation.h compares and converts."""

from collections.abc import Callable, Sequence

import numpy as np
from alkaid.trace import FVArray

from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import scale


def linear(_node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """The input as it is."""
    return inputs[0]


def relu(_node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """The greater of x and 0."""
    return inputs[0].relu()


def relu_limited(limit: int) -> Callable[[Node, Sequence[FVArray]], FVArray]:
    """ReLU that ends at a whole number."""

    def trace(_node: Node, inputs: Sequence[FVArray]) -> FVArray:
        return np.clip(inputs[0], 0, limit)

    return trace


def leaky_relu(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """The input, times alpha below 0."""
    alpha = parameter(node)
    return formats.each(inputs[0], lambda x: x.is_negative().msb_mux(scale(x, alpha), x))


def thresholded_relu(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """The input above theta, 0 up to it."""
    theta = parameter(node)
    return formats.each(inputs[0], lambda x: (theta - x).is_negative().msb_mux(x, 0.0))


def hard_sigmoid(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Line slope x + shift, kept between 0 and 1."""
    slope, shift = _constant(node, "slope"), _constant(node, "shift")
    line = formats.each(inputs[0], lambda x: scale(x, slope) + shift)
    return np.clip(line, 0, 1)


def hard_tanh(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Twice the hard sigmoid, less 1."""
    return hard_sigmoid(node, inputs) * 2 - 1


def binary_tanh(_node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """1, and -1 below 0."""
    return formats.each(inputs[0], lambda x: 1 - x.is_negative() * 2)


def ternary_tanh(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """1 above a half, -1 up to minus a half, else 0; 2 x is kept in the type of x."""
    doubled = formats.cast(inputs[0] * 2, node.inputs[0].format)
    return formats.each(
        doubled,
        lambda x: (1 - x).is_negative() - 1 + (-1 - x).is_negative(),
    )


def parameter(node: Node) -> float:
    """The parameter of a ParametrizedActivation, in the type it is passed in."""
    return formats.cast_number(node.attributes.get("activ_param", 1.0), node.format("param_t"))


def _constant(node: Node, name: str) -> float:
    return formats.cast_number(node.attributes[name], node.format(f"{name}_t"))
