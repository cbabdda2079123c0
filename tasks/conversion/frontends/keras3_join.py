"""Joins several inputs or outputs of a Keras 3 model into one of each.

The accelerator's stream carries one tensor each way. The joined model takes all inputs concatenated
in the model's order, splits them with layers that hls4ml reads, and concatenates all outputs.
"""

import logging
import math
from typing import Any

from tasks.conversion.frontends.keras_model import layer_names, layer_of

log = logging.getLogger(__name__)


def joined(model: Any, row: Any = None) -> Any:
    """Return the model with one input and one output, or the model itself if it has just one.

    Args:
        model: with inputs and outputs of its own.
        row: a layer that the joined inputs pass before they are split.
    """
    import keras

    if len(model.inputs) == len(model.outputs) == 1:
        return model
    taken = {layer.name for layer in model.layers}
    layers = _Namer(keras.layers, taken)
    if len(model.inputs) > 1:
        given, parts = _cut(layers, model.inputs, row)
    else:
        given = keras.Input(
            batch_shape=model.inputs[0].shape,
            dtype=model.inputs[0].dtype,
            name=layer_of(model.inputs[0]).name,
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


class _Namer:
    """Creates layers with names that are unique in the model."""

    def __init__(self, layers: Any, taken: set[str]) -> None:
        self._layers, self._taken = layers, taken

    def __call__(self, kind: str, name: str, *arguments: Any) -> Any:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return getattr(self._layers, kind)(*arguments, name=name)


def _cut(layers: _Namer, tensors: list[Any], row: Any) -> tuple[Any, list[Any]]:
    """Return an input with all elements, and the model's inputs split from it."""
    sizes = [math.prod(each.shape[1:]) for each in tensors]
    total, start = sum(sizes), 0
    given = layers("Input", "inputs", (total,))
    column = layers("Reshape", "inputs_column", (total, 1))(row(given) if row else given)
    parts = []
    for each, size in zip(tensors, sizes, strict=True):
        name = layer_of(each).name
        piece = layers("Cropping1D", f"{name}_piece", (start, total - start - size))(column)
        parts.append(layers("Reshape", f"{name}_part", tuple(each.shape[1:]))(piece))
        start += size
    log.info("the inputs %s are joined, and split in the core", layer_names(tensors))
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
    log.info("the outputs %s are joined", layer_names(results))
    return row
