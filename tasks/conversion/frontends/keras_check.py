"""Refuses loaded Keras models that cannot be converted, and names the layer."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.conversion import names
from tasks.core.errors import UnsupportedModelError

ACTIVATIONS = frozenset(
    (
        *("linear", "relu", "relu6", "leaky_relu", "elu", "selu"),
        *("sigmoid", "hard_sigmoid", "tanh", "softmax", "softplus", "softsign"),
    )
)
# Layers without an exact rewrite, and what to use instead.
REPLACEMENTS: Mapping[str, str] = {
    "LayerNormalization": "BatchNormalization",
    "GroupNormalization": "BatchNormalization",
    "UnitNormalization": "BatchNormalization",
    "MultiHeadAttention": "hgq.layers.QMultiHeadAttention",
    "GroupQueryAttention": "hgq.layers.QMultiHeadAttention",
    "Attention": "hgq.layers.QMultiHeadAttention",
    "AdditiveAttention": "hgq.layers.QMultiHeadAttention",
    "Dot": "hgq.layers.QEinsum",
    "Embedding": "its vectors as the model's input",
    "Conv1DTranspose": "UpSampling1D with Conv1D",
    "Conv2DTranspose": "UpSampling2D with Conv2D",
}
HALF = ("float16", "bfloat16")
# Of HGQ2's quantizers, for training alone; infinite by default.
TRAINING = ("i_decay_speed",)


def check(model: Any, where: str) -> None:
    """Refuse a model that hls4ml would misread, or fail on without an explanation.

    Args:
        model: a Keras model.
        where: its file.

    Raises:
        UnsupportedModelError: it is not built, contains another model or a grouped convolution, has
            a weight that is NaN or infinite, or a name that is not an identifier.
    """
    check_built(model, where)
    tensors = [*model.inputs, *model.outputs]
    names.check((layer.name for layer in model.layers), "layer", where)
    names.check_layers(layer.name for layer in model.layers)
    # Keras 2 names a tensor after its layer and operation: scores/BiasAdd:0.
    names.check((re.split("[/:]", tensor.name)[0] for tensor in tensors), "tensor", where)
    names.check((each._keras_history[0].name for each in tensors), "layer", where)  # noqa: SLF001
    for layer in model.layers:
        _check_layer(layer, where)


def check_built(model: Any, where: str) -> None:
    """Refuse a model whose inputs and outputs are unknown.

    Raises:
        UnsupportedModelError: it has none.
    """
    if not model.built or not getattr(model, "inputs", None) or not model.outputs:
        raise UnsupportedModelError(
            "is not built: its layers do not know the shape of their inputs",
            where=where,
            remedy="give it an Input layer, or call it once, before model.save",
        )


def _check_layer(layer: Any, where: str) -> None:
    if hasattr(layer, "layers"):
        raise UnsupportedModelError(
            f"layer {layer.name} is a nested model, and hls4ml only converts flat models",
            where=where,
            remedy="build one model of all its layers before model.save",
        )
    if getattr(layer, "compute_dtype", "") in HALF:
        raise UnsupportedModelError(
            f"layer {layer.name} computes in {layer.compute_dtype}, whose outputs here would not "
            "be those of the hardware it was trained on",
            where=where,
            remedy="build the model in float32 and load these weights; hls4ml chooses the "
            "fixed-point formats",
        )
    if getattr(layer, "data_format", "") == "channels_first":
        raise UnsupportedModelError(
            f"layer {layer.name} has its channels first, which hls4ml does not read from Keras",
            where=where,
            remedy="build the model with data_format='channels_last'",
        )
    for name in ("go_backwards", "stateful", "return_state"):
        if getattr(layer, name, False) is True:
            raise UnsupportedModelError(
                f"layer {layer.name} has {name}=True, which hls4ml lacks",
                where=where,
                remedy=f"train it with {name}=False",
            )
    groups = getattr(layer, "groups", 1)
    if isinstance(groups, int) and groups > 1 and hasattr(layer, "kernel_size"):
        raise UnsupportedModelError(
            f"layer {layer.name} is a convolution in {groups} groups, which hls4ml lacks",
            where=where,
            remedy="use DepthwiseConv for one group per channel, or an ordinary convolution",
        )
    for weight in layer.weights:
        if weight.name in TRAINING:
            continue
        values = np.asarray(weight)
        bad = 0 if values.dtype.kind != "f" else int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise UnsupportedModelError(
                f"layer {layer.name} has {bad} NaN or infinite values of {values.size} in its "
                f"{weight.name}",
                where=where,
                remedy="retrain it: the training diverged",
            )


def unsupported(operation: Any, reason: str, instead: str) -> UnsupportedModelError:
    """Return the error for an operation or a layer without an exact replacement."""
    return UnsupportedModelError(
        f"layer {operation.name} ({type(operation).__name__}): {reason}",
        remedy=f"replace it by {instead}",
    )


def require_core(layer: Any, activations: frozenset[str] = frozenset()) -> None:
    """Raise if hls4ml would refuse a layer without naming it, or convert it wrongly.

    Args:
        layer: of a Keras model.
        activations: that hls4ml has besides those that Keras names.
    """
    kind = type(layer).__name__
    if kind in REPLACEMENTS and not type(layer).__module__.startswith("hgq"):
        raise unsupported(layer, "hls4ml has no core for it", REPLACEMENTS[kind])
    if type(layer).__module__.startswith("hgq.layers.rnn"):
        raise unsupported(
            layer,
            "hls4ml derives no number formats for recurrent layers of HGQ2",
            "GRU or LSTM of Keras, in a model without layers of HGQ2",
        )
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "linear")
    own = not type(layer).__module__.startswith(("hgq", "qkeras"))
    if own and name not in ACTIVATIONS | activations:
        raise unsupported(layer, f"hls4ml has no activation {name}", "relu, tanh or sigmoid")
    if max(np.ravel(getattr(layer, "dilation_rate", 1))) > 1:
        raise unsupported(layer, "its kernel is dilated", "a larger kernel or a pooling layer")
    if (getattr(layer, "groups", 1) or 1) > 1:
        raise unsupported(layer, "it convolves in groups", "one group, or DepthwiseConv2D")
    if getattr(layer, "depth_multiplier", 1) > 1:
        raise unsupported(layer, "its depth_multiplier is above 1", "a Conv2D behind it")


def final_activation(model: Any) -> str:
    """Return the name of the model's last activation; empty if the last layer has none."""
    return activation(model.layers[-1])


def activation(layer: Any) -> str:
    """Return the name of a layer's activation; empty if it has none."""
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))
