"""Rewrites Keras 3 models exactly, replacing layers that hls4ml 1.3 does not read.

hls4ml converts the rewritten model, but the golden outputs are those of the saved model.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tasks.conversion.frontends.keras3_affine import affine
from tasks.conversion.frontends.keras3_operations import concatenated, replacement
from tasks.conversion.frontends.keras_check import require_core, unsupported

log = logging.getLogger(__name__)

Call = Callable[..., Any]


def rewritten(model: Any) -> Any:
    """Return a model with the same outputs and only layers that hls4ml reads.

    Raises:
        UnsupportedModelError: hls4ml does not read a layer, and there is no exact rewrite.
    """
    import keras

    said: list[str] = []
    if not getattr(model, "inputs", None):  # not built
        return model
    inputs = [
        keras.Input(
            batch_shape=each.shape,
            dtype=each.dtype,
            name=each._keras_history[0].name,  # noqa: SLF001  as clone_model
        )
        for each in model.inputs
    ]
    outputs = _run(model, inputs, said, "")
    if not said:
        return model
    for text in said:
        log.info("%s", text)
    made = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=model.name)
    # Reused layers would keep their tensors in the old model; a clone's do not.
    fresh = keras.models.clone_model(made)
    fresh.set_weights(made.get_weights())
    return fresh


def _run(model: Any, inputs: list[Any], said: list[str], prefix: str) -> Any:
    """Call every layer of a model, or its replacement, on new tensors."""
    function = getattr(model, "_functional", None) or model

    def replace(operation: Any) -> Call:
        return _replaced(operation, said, prefix)

    return function._run_through_graph(inputs, operation_fn=replace)  # noqa: SLF001  as clone_model


def _replaced(layer: Any, said: list[str], prefix: str) -> Call:
    import keras

    if isinstance(layer, keras.Model):
        said.append(f"layers of the inner model {layer.name} are moved into the model itself")
        return lambda x, **_: _run(layer, [x], said, f"{prefix}{layer.name}_")
    if not isinstance(layer, keras.layers.Layer):
        return replacement(layer, said)
    if not layer.name.startswith(prefix):
        layer.name = f"{prefix}{layer.name}"  # names are only unique within each inner model
    if type(layer).__module__.startswith("keras.") and type(layer).__name__ in REWRITES:
        return REWRITES[type(layer).__name__](layer, said)
    require_core(layer)
    return lambda *args, **_: layer(*args)


def _left_out(layer: Any, said: list[str]) -> Call:
    said.append(f"{layer.name} ({type(layer).__name__}) changes no output, and is left out")
    return lambda x, **_: x


def _relu(layer: Any, said: list[str]) -> Call:
    import keras

    if layer.max_value is None:
        return lambda x, **_: layer(x)
    if layer.max_value != 6 or layer.negative_slope or layer.threshold:  # noqa: PLR2004
        raise unsupported(
            layer,
            f"hls4ml has no ReLU up to {layer.max_value:g}"
            + (" with a slope or threshold" if layer.negative_slope or layer.threshold else ""),
            "ReLU(max_value=6), or a quantizer that saturates there",
        )
    said.append(f"{layer.name} (ReLU) becomes the activation relu6")
    return lambda x, **_: keras.layers.Activation("relu6", name=layer.name)(x)


def _rescaling(layer: Any, said: list[str]) -> Call:
    said.append(f"{layer.name} (Rescaling) becomes a BatchNormalization")
    return affine(layer.name, np.asarray(layer.scale), np.asarray(layer.offset))


def _time_distributed(layer: Any, said: list[str]) -> Call:
    if type(layer.layer).__name__ != "Dense":
        raise unsupported(
            layer,
            f"hls4ml has no {type(layer.layer).__name__} for every step",
            "TimeDistributed of a Dense layer, or Conv1D",
        )
    said.append(f"{layer.name} (TimeDistributed) becomes its Dense layer, which keeps the steps")
    return lambda x, **_: layer.layer(x)


def _normalization(layer: Any, said: list[str]) -> Call:
    import keras

    if layer.invert or not layer.built:
        raise unsupported(layer, "it normalizes backwards or has no statistics", "Rescaling")
    mean, variance = (
        np.asarray(keras.ops.convert_to_numpy(each)).reshape(-1)
        for each in (layer.mean, layer.variance)
    )
    scale = 1 / np.maximum(np.sqrt(variance), keras.config.epsilon())
    said.append(f"{layer.name} (Normalization) becomes a BatchNormalization")
    return affine(layer.name, scale, -mean * scale)


def _separable(layer: Any, said: list[str]) -> Call:
    import keras

    dimensions = len(layer.kernel_size)
    if layer.depth_multiplier > 1 or max(layer.dilation_rate) > 1:
        raise unsupported(layer, "it multiplies channels or is dilated", "Conv2D")

    def call(x: Any, **_: Any) -> Any:
        depthwise = getattr(keras.layers, f"DepthwiseConv{dimensions}D")(
            layer.kernel_size, strides=layer.strides, padding=layer.padding, use_bias=False,
            name=f"{layer.name}_depthwise",
        )  # fmt: skip
        pointwise = getattr(keras.layers, f"Conv{dimensions}D")(
            layer.filters, 1, use_bias=layer.use_bias, activation=layer.activation,
            name=f"{layer.name}_pointwise",
        )  # fmt: skip
        y = pointwise(depthwise(x))
        first, *rest = layer.get_weights()
        depthwise.set_weights([first])
        pointwise.set_weights(rest)
        return y

    said.append(f"{layer.name} ({type(layer).__name__}) becomes a depthwise and a pointwise one")
    return call


def _concatenate(layer: Any, said: list[str]) -> Call:
    """Return a concatenation of two tensors at a time."""

    def call(tensors: Any, **_: Any) -> Any:
        if len(tensors) > 2:  # noqa: PLR2004
            said.append(f"{layer.name} (Concatenate) joins two tensors at a time")
        return concatenated(layer, tensors)

    return call


def _simple_rnn(layer: Any, said: list[str]) -> Call:
    """Return a recurrent layer as dense layers, two for each step."""
    import keras

    if layer.go_backwards or layer.stateful or layer.return_state:
        raise unsupported(layer, "it runs backwards, or keeps or returns its state", "GRU")

    def dense(name: str, weights: list[Any]) -> Any:
        """Return a dense layer that takes its weights when it is called."""
        made = keras.layers.Dense(
            layer.units, use_bias=len(weights) > 1, name=f"{layer.name}_{name}"
        )

        def call(x: Any) -> Any:
            y = made(x)
            made.set_weights(weights)
            return y

        return call

    def call(x: Any, **_: Any) -> Any:
        steps, features = x.shape[1:]
        kernel, recurrent, *bias = layer.get_weights()
        states: list[Any] = []
        for step in range(steps):
            piece = keras.layers.Cropping1D(
                (step, steps - 1 - step), name=f"{layer.name}_step{step}"
            )(x)
            given = keras.layers.Reshape((features,), name=f"{layer.name}_x{step}")(piece)
            total = dense(f"input{step}", [kernel, *bias])(given)
            if states:
                back = dense(f"state{step}", [recurrent])(states[-1])
                total = keras.layers.Add(name=f"{layer.name}_sum{step}")([total, back])
            states.append(
                keras.layers.Activation(layer.activation, name=f"{layer.name}_h{step}")(total)
            )
        if not layer.return_sequences:
            return states[-1]
        rows = [
            keras.layers.Reshape((1, layer.units), name=f"{layer.name}_row{step}")(state)
            for step, state in enumerate(states)
        ]
        joined = keras.layers.Concatenate(axis=1, name=f"{layer.name}_rows")
        return concatenated(joined, rows)

    said.append(f"{layer.name} (SimpleRNN) becomes dense layers for every step")
    return call


def _merge(layer: Any, said: list[str]) -> Call:
    """Return a merge of two tensors at a time."""
    import keras

    kind = type(layer).__name__

    def call(tensors: Any, **_: Any) -> Any:
        if len(tensors) == 2:  # noqa: PLR2004
            return layer(tensors)
        said.append(f"{layer.name} ({kind}) takes two tensors at a time")
        pair = keras.layers.Add if kind == "Average" else type(layer)
        merged = tensors[0]
        for index, tensor in enumerate(tensors[1:]):
            merged = pair(name=f"{layer.name}_part{index}")([merged, tensor])
        return affine(layer.name, 1 / len(tensors), 0.0)(merged) if kind == "Average" else merged

    return call


def _prelu(layer: Any, said: list[str]) -> Call:
    """Return a PReLU with a slope for each element."""
    import keras

    if not layer.shared_axes:
        return lambda x, **_: layer(x)

    def call(x: Any, **_: Any) -> Any:
        own = keras.layers.PReLU(name=layer.name)
        y = own(x)
        (slopes,) = layer.get_weights()
        own.set_weights([np.broadcast_to(slopes, x.shape[1:])])
        return y

    said.append(f"{layer.name} (PReLU) gets a slope for each element")
    return call


REWRITES: Mapping[str, Callable[[Any, list[str]], Call]] = {
    "ActivityRegularization": _left_out,
    "Add": _merge,
    "Average": _merge,
    "Concatenate": _concatenate,
    "GaussianNoise": _left_out,
    "Identity": _left_out,
    "Maximum": _merge,
    "Minimum": _merge,
    "Multiply": _merge,
    "Normalization": _normalization,
    "PReLU": _prelu,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
    "SimpleRNN": _simple_rnn,
    "TimeDistributed": _time_distributed,
}
