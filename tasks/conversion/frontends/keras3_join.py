"""Joins several inputs or outputs of a Keras 3 model into one of each.

The accelerator's stream carries one tensor each way. The joined model takes all inputs concatenated
in the model's order, splits them with layers that hls4ml reads, and concatenates all outputs.
"""

import logging
import math
from collections.abc import Callable
from typing import Any

from tasks.conversion.dataset import FloatArray
from tasks.conversion.frontends.base import Tensor, concatenated, split
from tasks.conversion.frontends.keras_check import activation
from tasks.conversion.frontends.keras_model import BATCH, tensor

log = logging.getLogger(__name__)


def inputs(model: Any) -> tuple[Tensor, ...]:
    """Return the inputs, named after their layers, of a model with several; else none."""
    if len(model.inputs) == 1:
        return ()
    return tuple(tensor(each, _layer(each).name) for each in model.inputs)


def outputs(model: Any) -> tuple[Tensor, ...]:
    """Return the outputs, named after their layers, of a model with several; else none."""
    if len(model.outputs) == 1:
        return ()
    layers = [_layer(each) for each in model.outputs]
    names = [layer.name for layer in layers]
    if len(set(names)) < len(names):  # a layer is called twice, or returns two tensors
        names = [f"{name}_{number}" for number, name in enumerate(names)]
    return tuple(
        tensor(each, name, activation(layer))
        for each, name, layer in zip(model.outputs, names, layers, strict=True)
    )


def joined(model: Any) -> Any:
    """Return the model with one input and one output, or the model itself if it has just one."""
    import keras

    if len(model.inputs) == len(model.outputs) == 1:
        return model
    taken = {layer.name for layer in model.layers}
    layers = _Namer(keras.layers, taken)
    if len(model.inputs) > 1:
        given, parts = _cut(layers, model.inputs)
    else:
        given = keras.Input(
            batch_shape=model.inputs[0].shape,
            dtype=model.inputs[0].dtype,
            name=_layer(model.inputs[0]).name,
        )
        parts = [given]
    function = getattr(model, "_functional", None) or model
    results = keras.tree.flatten(
        function._run_through_graph(parts, operation_fn=lambda layer: layer)  # noqa: SLF001
    )
    made = keras.Model(given, results[0] if len(results) == 1 else _row(layers, results))
    # Reused layers would keep their tensors in the old model; a clone's do not.
    fresh = keras.models.clone_model(made)
    fresh.set_weights(made.get_weights())
    return fresh


def predictor(model: Any) -> Callable[[FloatArray], FloatArray]:
    """Return a function that computes a model's concatenated outputs from concatenated inputs."""
    shapes = [tuple(each.shape[1:]) for each in model.inputs]

    def predict(samples: FloatArray) -> FloatArray:
        given: Any = split(samples, shapes) if len(shapes) > 1 else samples
        return concatenated(_values(model.predict(given, batch_size=BATCH, verbose=0)))

    return predict


class _Namer:
    """Creates layers with names that are unique in the model."""

    def __init__(self, layers: Any, taken: set[str]) -> None:
        self._layers, self._taken = layers, taken

    def __call__(self, kind: str, name: str, *arguments: Any) -> Any:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return getattr(self._layers, kind)(*arguments, name=name)


def _cut(layers: _Namer, tensors: list[Any]) -> tuple[Any, list[Any]]:
    """Return an input with all elements, and the model's inputs split from it."""
    sizes = [math.prod(each.shape[1:]) for each in tensors]
    total, start = sum(sizes), 0
    given = layers("Input", "inputs", (total,))
    column = layers("Reshape", "inputs_column", (total, 1))(given)
    parts = []
    for each, size in zip(tensors, sizes, strict=True):
        name = _layer(each).name
        piece = layers("Cropping1D", f"{name}_piece", (start, total - start - size))(column)
        parts.append(layers("Reshape", f"{name}_part", tuple(each.shape[1:]))(piece))
        start += size
    log.info("the inputs %s are joined, and split in the core", _names(tensors))
    return given, parts


def _row(layers: _Namer, results: list[Any]) -> Any:
    """Concatenate all outputs, two at a time, as hls4ml requires."""
    flat = [
        each if len(each.shape) == 2 else layers("Flatten", f"outputs_flat_{number}")(each)  # noqa: PLR2004
        for number, each in enumerate(results)
    ]
    row = flat[0]
    for number, each in enumerate(flat[1:], start=1):
        row = layers("Concatenate", f"outputs_{number}")([row, each])
    log.info("the outputs %s are joined", _names(results))
    return row


def _names(tensors: list[Any]) -> str:
    return ", ".join(_layer(each).name for each in tensors)


def _layer(found: Any) -> Any:
    return found._keras_history[0]  # noqa: SLF001  as clone_model


def _values(results: Any) -> list[Any]:
    import keras

    values: list[Any] = keras.tree.flatten(results)
    return values
