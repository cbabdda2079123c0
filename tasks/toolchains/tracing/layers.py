"""Which function traces which layer."""

from collections.abc import Callable, Mapping, Sequence

from alkaid.trace import FVArray

from tasks.toolchains.tracing import activations, formats, linear
from tasks.toolchains.tracing.graph import Node

Tracer = Callable[[Node, Sequence[FVArray]], FVArray]

ACTIVATIONS: Mapping[str, Tracer] = {
    "binary_tanh": activations.binary_tanh,
    "hard_sigmoid": activations.hard_sigmoid,
    "hard_tanh": activations.hard_tanh,
    "leakyrelu": activations.leaky_relu,
    "linear": activations.linear,
    "prelu": activations.parametric_relu,
    "relu": activations.relu,
    "relu1": activations.relu_limited(1),
    "relu6": activations.relu_limited(6),
    "ternary_tanh": activations.ternary_tanh,
    "thresholdedrelu": activations.thresholded_relu,
}


def activation(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """One of the functions that share hls4ml's Activation layers."""
    name = str(node.attributes["activation"]).lower()
    if name not in ACTIVATIONS:
        raise node.unsupported(f"has the activation {name!r}")
    return ACTIVATIONS[name](node, inputs)


TRACERS: Mapping[str, Tracer] = {
    "Activation": activation,
    "ApplyAlpha": linear.batch_normalization,
    "BatchNormalization": linear.batch_normalization,
    "Dense": linear.dense,
    "HardActivation": activation,
    "PReLU": activation,
    "ParametrizedActivation": activation,
    "TernaryTanh": activation,
}


def trace(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """The layer's output for traced inputs, assigned to its result type.

    Raises:
        UnsupportedModelError: the layer cannot be traced.
    """
    if node.kind not in TRACERS:
        raise node.unsupported("cannot be traced")
    exact = TRACERS[node.kind](node, inputs)
    return formats.cast(exact.reshape(node.output.shape), node.output.format)
