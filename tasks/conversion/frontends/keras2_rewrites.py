"""Rewrites Keras 2 models exactly, and refuses by name the layers that hls4ml misreads.

hls4ml 1.3 ignores some settings of Keras 2's layers, such as a dilation, without a word.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tasks.conversion.frontends.keras_check import require_core, unsupported
from tasks.core.errors import UnsupportedModelError

log = logging.getLogger(__name__)

# hls4ml's own of Keras 2, besides those of Keras 3.
ACTIVATIONS = frozenset(("binary_tanh", "ternary_tanh", "relu1"))
MERGES = frozenset(("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"))
LARGEST = 6  # of the activation relu6
# A layer with the same outputs, and its weights.
Made = tuple[Any, list[Any]]


def rewritten(model: Any) -> Any:
    """Return a model with the same outputs, of layers that hls4ml reads as Keras computes them.

    The layers of the model must be known to Keras by name.

    Raises:
        UnsupportedModelError: hls4ml has no core for a layer, and there is no exact rewrite.
    """
    import tf_keras
    from hls4ml.converters import get_supported_keras_layers

    known = frozenset(get_supported_keras_layers()) | {"InputLayer", "Dropout"}
    made: dict[str, Made] = {}
    for layer in model.layers:
        package = type(layer).__module__.split(".")[0]
        if package == "qkeras":
            require_core(layer)
        if package != "tf_keras":
            continue
        if rewrite := REWRITES.get(type(layer).__name__):
            if found := rewrite(layer):
                made[layer.name] = found
        else:
            _check(layer, known)
    if not made:
        return model

    def cloned(layer: Any) -> Any:
        kept = type(layer).from_config
        return made[layer.name][0] if layer.name in made else kept(layer.get_config())

    copy = tf_keras.models.clone_model(model, clone_function=cloned)
    for layer in model.layers:
        weights = made[layer.name][1] if layer.name in made else layer.get_weights()
        copy.get_layer(layer.name).set_weights(weights)
    log.info("%s become layers of the same outputs that hls4ml reads", ", ".join(made))
    return copy


def _check(layer: Any, known: frozenset[str]) -> None:
    """Raise if hls4ml would refuse a layer without naming it, or convert it wrongly."""
    kind = type(layer).__name__
    if hasattr(layer, "layers"):
        raise _other_reader(layer, "hls4ml reads no inner models of Keras 2")
    if kind.endswith("OpLambda"):
        raise unsupported(
            layer,
            "it is an operation, not a layer",
            "a layer such as Add or Rescaling, or save the model with Keras 3",
        )
    require_core(layer, ACTIVATIONS)
    if kind in MERGES and len(layer.get_input_at(0)) > 2:  # noqa: PLR2004
        raise _other_reader(layer, "hls4ml merges two tensors at a time")
    if kind not in known:
        raise unsupported(layer, "hls4ml has no such layer", "one that its documentation lists")


def _other_reader(layer: Any, reason: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"layer {layer.name} ({type(layer).__name__}): {reason}",
        remedy="let the front end of Keras 3 read the file, which rewrites it: --framework keras",
    )


def _left_out(layer: Any) -> Made:
    """Return what hls4ml leaves out in place of a layer that is only active in training."""
    import tf_keras

    return tf_keras.layers.Dropout(0.0, name=layer.name), []


def _affine(layer: Any, scale: Any, offset: Any) -> Made:
    """Return a BatchNormalization that scales and shifts each channel."""
    import tf_keras

    channels = layer.input_shape[-1]
    if not {np.size(scale), np.size(offset)} <= {1, channels}:
        raise unsupported(layer, "its constants differ within a channel", "BatchNormalization")
    rows = [np.broadcast_to(np.ravel(each), (channels,)) for each in (scale, offset, 0.0, 1.0)]
    return tf_keras.layers.BatchNormalization(name=layer.name, epsilon=0.0), rows


def _rescaling(layer: Any) -> Made:
    return _affine(layer, layer.scale, layer.offset)


def _normalization(layer: Any) -> Made:
    import tf_keras

    if getattr(layer, "invert", False) or not layer.built:
        raise unsupported(layer, "it normalizes backwards or has no statistics", "Rescaling")
    scale = 1 / np.maximum(np.sqrt(np.asarray(layer.variance)), tf_keras.backend.epsilon())
    return _affine(layer, scale, -np.asarray(layer.mean) * scale)


def _relu(layer: Any) -> Made | None:
    """Return the activation relu6; None for a ReLU without settings, which hls4ml would ignore."""
    import tf_keras

    if layer.max_value is None and not layer.negative_slope and not layer.threshold:
        return None
    if layer.max_value != LARGEST or layer.negative_slope or layer.threshold:
        raise unsupported(
            layer,
            "hls4ml ignores its largest value, slope or threshold",
            "ReLU(max_value=6), LeakyReLU or ThresholdedReLU, or a quantizer that saturates",
        )
    return tf_keras.layers.Activation("relu6", name=layer.name), []


def _softmax(layer: Any) -> Made:
    """Return the activation: hls4ml's C++ of the layer does not compile."""
    import tf_keras

    if layer.axis not in {-1, len(layer.input_shape) - 1}:
        raise _other_reader(layer, "hls4ml reads a softmax of the last axis only")
    return tf_keras.layers.Activation("softmax", name=layer.name), []


def _time_distributed(layer: Any) -> Made:
    """Return the Dense layer, which keeps the steps."""
    kind, config = type(layer.layer), layer.layer.get_config()
    if kind.__name__ != "Dense":
        raise unsupported(
            layer,
            f"hls4ml has no {kind.__name__} for every step",
            "TimeDistributed of a Dense layer",
        )
    return kind.from_config(config | {"name": layer.name}), layer.layer.get_weights()


REWRITES: Mapping[str, Callable[[Any], Made | None]] = {
    "ActivityRegularization": _left_out,
    "AlphaDropout": _left_out,
    "GaussianDropout": _left_out,
    "GaussianNoise": _left_out,
    "Normalization": _normalization,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Softmax": _softmax,
    "SpatialDropout1D": _left_out,
    "SpatialDropout2D": _left_out,
    "TimeDistributed": _time_distributed,
}
