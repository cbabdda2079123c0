"""Joins several inputs or outputs of a Keras 2 model into one of each.

The layers that split and concatenate are written into the description of the model, which is built
again: unlike in Keras 3, calling a Keras 2 model on other tensors makes it a layer.
"""

import logging
import math
from typing import Any

from tasks.conversion.frontends.keras_model import layer_names, layer_of

log = logging.getLogger(__name__)

SOURCE = 3  # a tensor is described by its layer, the number of the call, and of the result


def joined(model: Any) -> Any:
    """Return the model with one input and one output, or the model itself if it has just one.

    Its layers must be known to Keras by name.
    """
    import tf_keras

    if len(model.inputs) == len(model.outputs) == 1:
        return model
    config = model.get_config()
    layers = _Layers(config["layers"])
    if len(model.inputs) > 1:
        _cut(layers, config, model.inputs)
        log.info("the inputs %s are joined, and split in the core", layer_names(model.inputs))
    if len(model.outputs) > 1:
        _row(layers, config, model.outputs)
        log.info("the outputs %s are joined", layer_names(model.outputs))
    made = tf_keras.Model.from_config(config)
    for layer in model.layers:
        made.get_layer(layer.name).set_weights(layer.get_weights())
    return made


class _Layers:
    """The described layers of a model, to which others are added."""

    def __init__(self, described: list[dict[str, Any]]) -> None:
        self.described = described

    def add(
        self, kind: str, name: str, sources: list[list[Any]], *arguments: Any, **settings: Any
    ) -> list[Any]:
        """Add a layer under that name, or a similar one if it is taken; return its result."""
        import tf_keras

        while any(each["name"] == name for each in self.described):
            name += "_"
        layer = getattr(tf_keras.layers, kind)(*arguments, name=name, **settings)
        calls = [[[*source, {}] for source in sources]] if sources else []
        described = tf_keras.layers.serialize(layer) | {"name": name, "inbound_nodes": calls}
        self.described.append(described)
        return [name, 0, 0]

    def remove(self, name: str) -> None:
        """Remove the layer of that name."""
        self.described[:] = [each for each in self.described if each["name"] != name]


def _cut(layers: _Layers, config: dict[str, Any], tensors: list[Any]) -> None:
    """Replace each input by a layer of the same name, cut from an input of all elements."""
    sizes = [math.prod(each.shape[1:]) for each in tensors]
    total, start = sum(sizes), 0
    given = layers.add("InputLayer", "inputs", [], (total,))
    column = layers.add("Reshape", "inputs_column", [given], (total, 1))
    for each, size in zip(tensors, sizes, strict=True):
        name, crop = layer_of(each).name, (start, total - start - size)
        piece = layers.add("Cropping1D", f"{name}_piece", [column], crop)
        layers.remove(name)
        layers.add("Reshape", name, [piece], tuple(each.shape[1:]))
        start += size
    config["input_layers"] = [given]


def _row(layers: _Layers, config: dict[str, Any], tensors: list[Any]) -> None:
    """Concatenate all outputs, two at a time, as hls4ml requires."""
    from tensorflow import nest

    parts = nest.flatten(config["output_layers"])  # a list of descriptions, or a dictionary
    row: list[Any] = []
    for number, each in enumerate(tensors):
        flat = parts[SOURCE * number : SOURCE * (number + 1)]
        if len(each.shape) > 2:  # noqa: PLR2004
            flat = layers.add("Flatten", f"outputs_flat_{number}", [flat])
        row = layers.add("Concatenate", f"outputs_{number}", [row, flat]) if row else flat
    config["output_layers"] = [row]
