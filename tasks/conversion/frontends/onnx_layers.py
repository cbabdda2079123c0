"""Computes the outputs of an ONNX graph's layers, by the names of hls4ml's layers."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.elements import plain
from tasks.conversion.frontends import onnx_execution
from tasks.conversion.frontends.base import Outputs

# Operators that hls4ml merges into the layer before.
_MERGED = ("Add", "Sub", "Mul", "Div", "BatchNormalization", "Quant", "Identity", "Dropout")


def layer_outputs(model: Any, x: npt.NDArray[Any], graph: Any) -> Outputs:
    """Return the framework's outputs of the layers of a converted graph.

    Args:
        model: the onnx.ModelProto from which hls4ml has converted the graph.
        x: samples.
        graph: hls4ml's ModelGraph.
    """
    from hls4ml.model.types import XnorPrecisionType

    tensors = _tensors(model, graph)
    names = sorted(set(tensors.values()))
    run = onnx_execution.runner(model, names)
    samples = np.asarray(x, dtype=np.float32)
    rows = [run(samples[index : index + 1]) for index in range(len(samples))]
    values = {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)}
    found: Outputs = {}
    for node in graph.get_layers():
        variable = node.get_output_variable()
        if isinstance(plain(variable.type.precision), XnorPrecisionType):
            continue  # it writes -1 and 1 as 0 and 1
        shape = tuple(variable.shape)
        of_layer = values.get(tensors.get(node.name, ""))
        if of_layer is not None and of_layer[0].size == np.prod(shape):
            found[node.name] = of_layer.reshape(len(x), *shape).astype(np.float64)
    return found


def _tensors(model: Any, graph: Any) -> dict[str, str]:
    """Return the tensor that each layer computes, by the layer's name.

    hls4ml turns a quantizer whose scale is no power of two into a layer that scales down to
    integers, and one that scales up again behind the following sum; between them the layers'
    values are not the tensors', and they are left out.
    """
    layers = list(graph.get_layers())
    made = {name for node in layers for name in node.outputs}
    found: dict[str, str] = {}
    scaled: dict[str, str] = {}  # the tensor that comes out once it is scaled up, by layer
    for node in layers:
        sources = [source.name for each in node.inputs if (source := node.get_input_node(each))]
        before = next((scaled[name] for name in sources if name in scaled), None)
        tensor = _last(model, node.outputs[0], made)
        if node.name.endswith("_scale"):
            scaled[node.name] = ""
        elif node.name.endswith("_rescale"):
            found[node.name] = before or ""
        elif before is not None or any(
            reader.name.endswith("_rescale") for reader in _readers(layers, node)
        ):
            scaled[node.name] = tensor
        else:
            found[node.name] = tensor
    known = {name for node in model.graph.node for name in node.output}
    known |= {each.name for each in model.graph.input}
    return {layer: tensor for layer, tensor in found.items() if tensor in known}


def _readers(layers: list[Any], node: Any) -> list[Any]:
    return [each for each in layers if set(each.inputs) & set(node.outputs)]


def _last(model: Any, tensor: str, made: set[str]) -> str:
    """Follow a tensor through the operators that hls4ml has merged into the one that makes it."""
    while True:
        readers = [node for node in model.graph.node if tensor in node.input]
        if len(readers) != 1 or readers[0].op_type not in _MERGED or readers[0].output[0] in made:
            return tensor
        tensor = readers[0].output[0]
