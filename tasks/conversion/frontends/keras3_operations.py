"""Replaces operations of keras.ops, such as x + y or x[:, 1:3], by layers with the same outputs."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tasks.conversion.frontends.keras3_affine import affine
from tasks.conversion.frontends.keras_check import unsupported

Call = Callable[..., Any]
# Scale and offset of an operation whose second or first operand is constant.
AFFINE: Mapping[str, Callable[[Any, bool], tuple[Any, Any] | None]] = {
    "Add": lambda constant, _: (1.0, constant),
    "Subtract": lambda constant, first: (1.0, -constant) if first else (-1.0, constant),
    "Multiply": lambda constant, _: (constant, 0.0),
    "TrueDivide": lambda constant, first: (1 / constant, 0.0) if first else None,
}
# Layers of two tensors with the same shape; they have their operations' names.
MERGES = frozenset(("Add", "Subtract", "Multiply", "Maximum", "Minimum"))
ACTIVATIONS: Mapping[str, str] = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}


def replacement(operation: Any, said: list[str]) -> Call:
    """Return a function that calls a layer instead of an operation.

    Args:
        operation: of keras.ops.
        said: gets a sentence about what was replaced.
    """
    kind = type(operation).__name__
    if kind in ACTIVATIONS:
        return _activation(operation, said)
    return LAYERS.get(kind, _arithmetic)(operation, said)


def _arithmetic(operation: Any, said: list[str]) -> Call:
    """Return a layer for an operation on two tensors, or on a tensor and a constant."""
    import keras

    kind = type(operation).__name__

    def call(*arguments: Any, **_: Any) -> Any:
        tensors = [each for each in arguments if hasattr(each, "_keras_history")]
        constants = [each for each in arguments if not hasattr(each, "_keras_history")]
        if len(tensors) == 2 and not constants and kind in MERGES:  # noqa: PLR2004
            if tensors[0].shape != tensors[1].shape:
                raise unsupported(operation, "its tensors have different shapes", "equal shapes")
            said.append(f"{operation.name} (keras.ops) becomes the layer {kind}")
            return getattr(keras.layers, kind)(name=operation.name)(tensors)
        if len(tensors) != 1 or len(constants) != 1 or kind not in AFFINE:
            raise unsupported(
                operation, f"keras.ops.{kind.lower()} is no layer", "a layer of Keras"
            )
        constant = np.asarray(constants[0], dtype=np.float64)
        if constant.size not in {1, tensors[0].shape[-1]}:
            raise unsupported(
                operation, "its constant differs within a channel", "a layer of Keras"
            )
        factors = AFFINE[kind](constant.reshape(-1), arguments[0] is tensors[0])
        if factors is None:
            raise unsupported(operation, "it divides by a tensor", "a product")
        said.append(f"{operation.name} (keras.ops) becomes a BatchNormalization")
        return affine(operation.name, *factors)(tensors[0])

    return call


def _activation(operation: Any, said: list[str]) -> Call:
    import keras

    name = ACTIVATIONS[type(operation).__name__]
    said.append(f"{operation.name} (keras.ops) becomes the activation {name}")
    return lambda x, **_: keras.layers.Activation(name, name=operation.name)(x)


def _softmax(operation: Any, said: list[str]) -> Call:
    import keras

    if operation.axis != -1:
        raise unsupported(operation, "it is not along the last axis", "Softmax of the last axis")
    said.append(f"{operation.name} (keras.ops) becomes the layer Softmax")
    return lambda x, **_: keras.layers.Softmax(name=operation.name)(x)


def _reshape(operation: Any, said: list[str]) -> Call:
    import keras

    def call(x: Any, **_: Any) -> Any:
        shape = tuple(operation.compute_output_spec(x).shape)
        if None in shape[1:] or math.prod(shape[1:]) != math.prod(x.shape[1:]):
            raise unsupported(operation, "it mixes samples", "Reshape, which keeps the batch axis")
        said.append(f"{operation.name} (keras.ops) becomes the layer Reshape")
        return keras.layers.Reshape(shape[1:], name=operation.name)(x)

    return call


def _transpose(operation: Any, said: list[str]) -> Call:
    import keras

    axes = operation.axes
    if not axes or axes[0] != 0:
        raise unsupported(operation, "it moves the batch axis", "Permute")
    said.append(f"{operation.name} (keras.ops) becomes the layer Permute")
    return lambda x, **_: keras.layers.Permute(tuple(axes[1:]), name=operation.name)(x)


def _concatenate(operation: Any, said: list[str]) -> Call:
    import keras

    said.append(f"{operation.name} (keras.ops) becomes the layer Concatenate")
    layer = keras.layers.Concatenate(axis=operation.axis, name=operation.name)
    return lambda tensors, **_: concatenated(layer, tensors)


def concatenated(layer: Any, tensors: Any) -> Any:
    """Call a Concatenate layer on two tensors at a time, as hls4ml reads them."""
    import keras

    joined = tensors[0]
    for index, tensor in enumerate(tensors[1:-1]):
        part = keras.layers.Concatenate(axis=layer.axis, name=f"{layer.name}_part{index}")
        joined = part([joined, tensor])
    return layer([joined, tensors[-1]]) if len(tensors) > 1 else joined


def _slice(operation: Any, said: list[str]) -> Call:
    """Return a cropping layer for x[...] with bounds or single indices."""
    import keras

    def call(x: Any, key: Any, **_: Any) -> Any:
        bounds, dropped = _bounds(operation, x, key)
        said.append(f"{operation.name} (keras.ops) becomes a cropping layer")
        names = (f"{operation.name}_part{number}" for number in range(9))
        shape = tuple(stop - start for start, stop in bounds)
        if len(bounds) == 1:
            x = keras.layers.Reshape((*x.shape[1:], 1), name=next(names))(x)
            spaces = bounds
        else:
            x = _channels(x, bounds[-1], next(names))
            spaces = bounds[:-1]
        cropped = tuple(
            (start, extent - stop)
            for (start, stop), extent in zip(spaces, x.shape[1:], strict=False)
        )
        if any(side for pair in cropped for side in pair):
            kind = getattr(keras.layers, f"Cropping{len(spaces)}D")
            x = kind(cropped if len(spaces) > 1 else cropped[0], name=next(names))(x)
        kept = tuple(size for axis, size in enumerate(shape) if axis not in dropped)
        return keras.layers.Reshape(kept, name=operation.name)(x)

    return call


def _bounds(operation: Any, x: Any, key: Any) -> tuple[list[tuple[int, int]], set[int]]:
    """Return start and stop of each axis but the batch, and the axes that an index removes."""
    parts = list(key) if isinstance(key, tuple | list) else [key]  # Keras loads a list
    rank = len(x.shape)
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts[at : at + 1] = [slice(None)] * (rank - len(parts) + 1)
    parts += [slice(None)] * (rank - len(parts))
    if parts[0] != slice(None) or len(parts) != rank or rank not in {2, 3, 4}:
        raise unsupported(operation, "it slices the batch or adds an axis", "slices of samples")
    bounds, dropped = [], set()
    for axis, (part, extent) in enumerate(zip(parts[1:], x.shape[1:], strict=True)):
        if isinstance(part, int):
            dropped.add(axis)
            start = part % extent
            bounds.append((start, start + 1))
        elif isinstance(part, slice) and part.step in {None, 1}:
            start, stop, _ = part.indices(extent)
            bounds.append((start, max(stop, start)))
        else:
            raise unsupported(operation, "it takes every other element", "slices without a step")
    if len(dropped) == len(bounds) or any(start == stop for start, stop in bounds):
        raise unsupported(operation, "it leaves nothing or a single number", "a slice of one")
    return bounds, dropped


def _channels(x: Any, bounds: tuple[int, int], name: str) -> Any:
    """Return some channels of an image or series: a product with zeros and ones."""
    import keras

    start, stop = bounds
    if (start, stop) == (0, x.shape[-1]):
        return x
    layer = keras.layers.Dense(stop - start, use_bias=False, name=name)
    chosen = layer(x)
    layer.set_weights([np.eye(x.shape[-1], stop - start, -start, dtype=np.float32)])
    return chosen


def _negative(operation: Any, said: list[str]) -> Call:
    said.append(f"{operation.name} (keras.ops) becomes a BatchNormalization")
    return affine(operation.name, -1.0, 0.0)


LAYERS: Mapping[str, Callable[[Any, list[str]], Call]] = {
    "Concatenate": _concatenate,
    "GetItem": _slice,
    "Negative": _negative,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "Transpose": _transpose,
}
