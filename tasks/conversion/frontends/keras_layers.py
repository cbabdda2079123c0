"""Computes the outputs of a Keras model's layers, by the names of hls4ml's layers."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.frontends.base import Outputs
from tasks.conversion.frontends.keras_check import activation


def layer_outputs(model: Any, x: npt.NDArray[Any], graph: Any) -> Outputs:
    """Return the framework's outputs of the layers of a converted graph.

    hls4ml splits a layer with an activation into two, `dense` and `dense_relu`, and merges a layer
    and the following batch normalization into one with the first one's name. Layers that are called
    more than once are left out.

    Args:
        model: a Keras model.
        x: samples.
        graph: hls4ml's ModelGraph.
    """
    import keras

    names = {node.name for node in graph.get_layers()}
    once = [layer for layer in model.layers if _outputs(model, layer) == 1]
    found: Outputs = {}
    for tensor in model.inputs:
        found[tensor._keras_history[0].name] = np.asarray(x, dtype=np.float64)  # noqa: SLF001
    with contextlib.ExitStack() as stack:
        for layer in once:
            if f"{layer.name}_{activation(layer)}" in names:
                stack.enter_context(_recorded(layer, found))
        inner = keras.Model(model.inputs, {layer.name: layer.output for layer in once})
        # Not predict: a recorder needs values, which a traced graph does not have.
        results = inner([x])
    for layer in once:
        values = np.asarray(results[layer.name], dtype=np.float64)
        split = f"{layer.name}_{activation(layer)}"
        if split in names:
            found[split] = values
        elif layer.name in names:
            found[layer.name] = values
        elif type(layer).__name__ == "BatchNormalization":
            source = str(layer.input._keras_history[0].name)  # noqa: SLF001
            if source in found and source in names:
                found[source] = values
    return found


@contextlib.contextmanager
def _recorded(layer: Any, found: Outputs) -> Iterator[None]:
    """Record the input of a layer's activation."""
    function = layer.activation

    def record(values: Any) -> Any:
        found[layer.name] = np.asarray(values, dtype=np.float64)
        return function(values)

    layer.activation = record
    try:
        yield
    finally:
        layer.activation = function


def _nodes(model: Any) -> set[int]:
    functional = getattr(model, "_functional", None) or model
    return {id(node) for nodes in functional._nodes_by_depth.values() for node in nodes}  # noqa: SLF001


def _outputs(model: Any, layer: Any) -> int:
    """Return how often the model calls a layer with one output."""
    known = _nodes(model)
    calls = [node for node in layer._inbound_nodes if id(node) in known]  # noqa: SLF001
    # Keras 3 keeps a single output in a list, Keras 2 does not.
    several = any(
        isinstance(node.outputs, list | tuple) and len(node.outputs) > 1 for node in calls
    )
    return 0 if several else len(calls)
