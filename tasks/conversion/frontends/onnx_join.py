"""Joins several inputs or outputs of an ONNX graph into one of each.

The accelerator's stream carries one tensor each way. The joined graph takes all inputs concatenated
in the model's order, and concatenates all outputs. hls4ml reads no Slice of ONNX: an input is cut
from the row by a product with a matrix of zeros and ones, which is exact and costs no logic in an
unrolled core.
"""

import logging
import math
from typing import Any

import numpy as np

from tasks.conversion.frontends.base import Tensor

log = logging.getLogger(__name__)


def join(graph: Any, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
    """Join the inputs and the outputs of a graph with batch 1, each if there are several.

    Args:
        graph: an onnx.ModelProto; it is changed.
        inputs: its inputs.
        outputs: its outputs.
    """
    if len(inputs) > 1:
        _cut(graph.graph, inputs)
        log.info("the inputs %s are joined, and split in the core", _names(inputs))
    if len(outputs) > 1:
        _row(graph.graph, outputs)
        log.info("the outputs %s are joined", _names(outputs))


def whole(tensors: tuple[Tensor, ...], name: str) -> Tensor:
    """Return the only tensor, or the row that several are joined in."""
    return tensors[0] if len(tensors) == 1 else Tensor(name, (size(tensors),))


def size(tensors: tuple[Tensor, ...]) -> int:
    """Return the elements of a sample of all tensors."""
    return sum(math.prod(each.shape) for each in tensors)


def _cut(graph: Any, inputs: tuple[Tensor, ...]) -> None:
    from onnx import TensorProto, helper

    row = _free(graph, "inputs")
    nodes, start, total = [], 0, size(inputs)
    for number, each in enumerate(inputs):
        count = math.prod(each.shape)
        chosen = np.eye(total, count, -start, dtype=np.float32)
        weights = _constant(graph, f"{row}_{number}_chosen", chosen)
        flat = each.name if each.shape == (count,) else f"{row}_{number}_flat"
        nodes.append(helper.make_node("MatMul", [row, weights], [flat], name=f"{row}_{number}"))
        if flat != each.name:
            shape = _constant(graph, f"{row}_{number}_shape", np.array([1, *each.shape], np.int64))
            nodes.append(
                helper.make_node("Reshape", [flat, shape], [each.name], name=f"{row}_{number}_part")
            )
        start += count
    computed = list(graph.node)
    del graph.node[:], graph.input[:]
    graph.node.extend([*nodes, *computed])
    graph.input.append(helper.make_tensor_value_info(row, TensorProto.FLOAT, [1, total]))


def _row(graph: Any, outputs: tuple[Tensor, ...]) -> None:
    from onnx import TensorProto, helper

    row = _free(graph, "outputs")
    joined = ""
    for number, each in enumerate(outputs):
        flat = each.name
        if len(each.shape) > 1:
            flat = f"{row}_{number}_flat"
            graph.node.append(helper.make_node("Flatten", [each.name], [flat], name=flat))
        if joined:  # hls4ml joins two at a time
            last = number == len(outputs) - 1
            result = row if last else f"{row}_{number}"
            graph.node.append(
                helper.make_node("Concat", [joined, flat], [result], name=result, axis=1)
            )
            joined = result
        else:
            joined = flat
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(row, TensorProto.FLOAT, [1, size(outputs)]))


def _free(graph: Any, name: str) -> str:
    """Return a name that no tensor or node of the graph begins with."""
    taken = [name for node in graph.node for name in (node.name, *node.input, *node.output)]
    while any(each.startswith(name) for each in taken):
        name = f"joined_{name}"
    return name


def _constant(graph: Any, name: str, values: Any) -> str:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def _names(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(each.name for each in tensors)
