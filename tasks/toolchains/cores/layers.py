"""Maps each kind of layer to the function that traces it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from alkaid.trace import FVArray, HWConfig

from tasks.toolchains.cores import (
    activations,
    convolution,
    einsum,
    formats,
    garnet,
    linear,
    merge,
    pooling,
    recurrent,
    shapes,
    signs,
    softmax,
    tables,
)
from tasks.toolchains.cores.elementwise import PER_ELEMENT, per_element
from tasks.toolchains.cores.graph import Graph, Node

# Costs of adders in LUTs, delays with the carry chains of Xilinx 7: 4 bits a CARRY4.
HARDWARE = HWConfig(adder_size=1, carry_size=4, latency_cutoff=-1)

Tracer = Callable[[Node, Sequence[FVArray]], FVArray]

ACTIVATIONS: Mapping[str, Tracer] = {
    "binary_tanh": signs.binary_tanh,
    "elu": tables.elu,
    "hard_sigmoid": activations.hard_sigmoid,
    "hard_tanh": activations.hard_tanh,
    "leakyrelu": activations.leaky_relu,
    "linear": activations.linear,
    "relu": activations.relu,
    "relu1": activations.relu_limited(1),
    "relu6": activations.relu_limited(6),
    "selu": tables.selu,
    "sigmoid": tables.SIGMOID,
    "softplus": tables.SOFTPLUS,
    "softsign": tables.SOFTSIGN,
    "tanh": tables.TANH,
    "ternary_tanh": activations.ternary_tanh,
    "thresholdedrelu": activations.thresholded_relu,
}


def activation(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace one of the functions of hls4ml's Activation layers."""
    name = str(node.attributes["activation"]).lower()
    if name not in ACTIVATIONS:
        raise node.unsupported(f"has the activation {name!r}")
    return ACTIVATIONS[name](node, inputs)


TRACERS: Mapping[str, Tracer] = {
    **dict.fromkeys(PER_ELEMENT, per_element),
    "Activation": activation,
    "BatchNormalizationQuantizedTanh": signs.normalized_tanh,
    "Concatenate": shapes.concatenate,
    "Conv1D": convolution.convolution,
    "Conv2D": convolution.convolution,
    "Cropping1D": shapes.cropping,
    "Cropping2D": shapes.cropping,
    "Dense": linear.dense,
    "DepthwiseConv1D": convolution.depthwise,
    "DepthwiseConv2D": convolution.depthwise,
    "Dot": merge.dot_product,
    "Einsum": einsum.einsum,
    "EinsumDense": einsum.einsum_dense,
    "GRU": recurrent.gru,
    **dict.fromkeys(garnet.KINDS, garnet.garnet),
    "GlobalPooling1D": pooling.global_pooling,
    "GlobalPooling2D": pooling.global_pooling,
    "HardActivation": activation,
    "LSTM": recurrent.lstm,
    "Merge": merge.merge,
    "ParametrizedActivation": activation,
    "PointwiseConv1D": convolution.convolution,
    "PointwiseConv2D": convolution.convolution,
    "Pooling1D": pooling.pooling,
    "Pooling2D": pooling.pooling,
    "Repack": shapes.same,
    "Reshape": shapes.same,
    "Resize": shapes.resize,
    "Softmax": softmax.softmax,
    "Transpose": shapes.transpose,
    "UnaryLUT": tables.unary_table,
    "ZeroPadding1D": shapes.zero_padding,
    "ZeroPadding2D": shapes.zero_padding,
}


# What to use instead of layers that hls4ml has and no tracer.
REPLACEMENTS: Mapping[str, str] = {
    "Bidirectional": "use toolchain vivado-hls, or an LSTM or GRU in one direction",
}


def any_input(graph: Graph) -> FVArray:
    """Return the model's input, which can have any value of its type."""
    target, shape = graph.input.format, graph.input.shape
    kif = (int(target.signed), target.integer - target.signed, target.fraction)
    return FVArray.from_kif(*(np.full(shape, part) for part in kif), HARDWARE)


def trace(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Return the layer's output for traced inputs, assigned to its result type.

    Raises:
        UnsupportedModelError: the layer cannot be traced.
    """
    if node.kind not in TRACERS:
        raise node.unsupported("has no core here", REPLACEMENTS.get(node.kind, ""))
    if node.attributes.get("data_format") == "channels_first":
        raise node.unsupported("has its channels first", "build the model with channels last")
    exact = TRACERS[node.kind](node, inputs)
    return formats.cast(exact.reshape(node.output.shape), node.output.format)
