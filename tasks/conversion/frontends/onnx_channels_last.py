"""Graphs whose convolutions and poolings qonnx has put channels last: their shapes and meaning."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.core.errors import UnsupportedModelError

log = logging.getLogger(__name__)

DOMAIN = "qonnx.custom_op.channels_last"
OPSET = 13


def nodes_of(graph: Any) -> list[Any]:
    """Return the nodes that qonnx has put channels last."""
    return [node for node in graph.graph.node if node.domain == DOMAIN]


def standard(graph: Any, known: dict[str, int]) -> Any:
    """Return the graph with standard operators between transpositions for qonnx's channels last.

    Args:
        graph: an onnx.ModelProto; it is not changed.
        known: ranks of the tensors that such an operator reads.
    """
    from onnx import ModelProto, helper

    copied = ModelProto()
    copied.CopyFrom(graph)
    nodes = list(copied.graph.node)
    del copied.graph.node[:]
    for node in nodes:
        if node.domain != DOMAIN:
            copied.graph.node.append(node)
            continue
        rank = known[node.input[0]]
        first = [0, rank - 1, *range(1, rank - 1)]
        last = [0, *range(2, rank), 1]
        # Kernels are channels last, too.
        for index in range(2 if node.op_type == "Conv" else 1):
            turned = f"{node.output[0]} of {node.input[index]}"
            copied.graph.node.append(
                helper.make_node("Transpose", [node.input[index]], [turned], perm=first)
            )
            node.input[index] = turned
        result, node.output[0] = node.output[0], f"{node.output[0]} channels first"
        node.domain = ""
        copied.graph.node.extend(
            [node, helper.make_node("Transpose", [node.output[0]], [result], perm=last)]
        )
    return copied


def ranks(graph: Any) -> dict[str, int]:
    """Return the number of axes of each tensor whose shape the graph says."""
    values = (*graph.graph.value_info, *graph.graph.input, *graph.graph.output)
    return {each.name: len(each.type.tensor_type.shape.dim) for each in values}


def infer_shapes(graph: Any, known: dict[str, int], path: Path) -> None:
    """Infer the shapes of a graph with such nodes, which qonnx does not without their inputs'.

    Args:
        graph: is given the shapes; a graph without such nodes stays as it is.
        known: ranks of the tensors.
        path: named in errors.
    """
    from onnx import helper
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    nodes = nodes_of(graph)
    for node in nodes:
        if node.input[0] not in known:
            raise UnsupportedModelError(
                f"node {node.name} is a {node.op_type} with channels last, and the shape of its "
                "input is not known",
                where=str(path),
                remedy="save the graph with shapes, as qonnx's cleanup_model adds them",
            )
        for each in node.attribute:
            if each.name == "ceil_mode":  # qonnx may have saved it as 0.0, which is no ONNX
                each.CopyFrom(helper.make_attribute(each.name, int(each.i or each.f)))
    if nodes:
        # As qonnx computes them by: it takes 1 if none is named, whose MaxPool had no ceil_mode.
        for each in [each for each in graph.opset_import if each.domain == DOMAIN]:
            graph.opset_import.remove(each)
        graph.opset_import.append(helper.make_opsetid(DOMAIN, OPSET))
        log.info("the graph has its channels last, as qonnx puts them: so do samples and outputs")
        spelt_out = ModelWrapper(standard(graph, known)).transform(InferShapes())
        made = {name for node in graph.graph.node for name in node.output}
        made -= {each.name for each in graph.graph.output}
        graph.graph.value_info.extend(
            each for each in spelt_out.graph.value_info if each.name in made
        )


@contextlib.contextmanager
def shapes_kept(graph: Any) -> Iterator[None]:
    """Let qonnx take the shapes that such nodes have.

    It makes up an image of random numbers for each, whenever it infers shapes, and turns it into
    text: minutes for 256 x 256 pixels.
    """
    from qonnx.custom_op.channels_last.batch_normalization import BatchNormalization_v1
    from qonnx.custom_op.channels_last.conv import Conv_v1
    from qonnx.custom_op.channels_last.max_pool import MaxPool_v1

    def as_known(self: Any, model: Any) -> Any:
        return self.make_const_shape_op(model.get_tensor_shape(self.onnx_node.output[0]))

    name = Conv_v1.make_shape_compatible_op.__name__
    kept = [(kind, getattr(kind, name)) for kind in (BatchNormalization_v1, Conv_v1, MaxPool_v1)]
    for kind, _ in kept if nodes_of(graph) else ():
        setattr(kind, name, as_known)
    try:
        yield
    finally:
        for kind, original in kept:
            setattr(kind, name, original)
