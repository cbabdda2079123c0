"""Computes tensors of ONNX and QONNX graphs, a sample at a time."""

from collections.abc import Callable, Sequence
from typing import Any

from tasks.conversion.dataset import FloatArray

CHANNELS_LAST = "qonnx.custom_op.channels_last"
QUANTIZERS = ("Quant", "IntQuant", "BipolarQuant", "Trunc")

Run = Callable[[FloatArray], list[FloatArray]]


def runner(graph: Any, names: Sequence[str]) -> Run:
    """Return a function that computes the named tensors for one sample with its batch axis.

    Graphs with quantizers are computed by qonnx, the others by onnxruntime, which is faster.

    Args:
        graph: an onnx.ModelProto with a batch of 1; it is not changed.
        names: of the tensors.
    """
    quantized = any(node.op_type in QUANTIZERS for node in graph.graph.node)
    return _by_qonnx(graph, names) if quantized else _by_onnxruntime(graph, names)


def _by_qonnx(graph: Any, names: Sequence[str]) -> Run:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    wrapper = ModelWrapper(graph, make_deepcopy=True).transform(InferShapes())
    taken = graph.graph.input[0].name

    def run(sample: FloatArray) -> list[FloatArray]:
        values = execute_onnx(wrapper, {taken: sample}, return_full_exec_context=True)
        return [values[name] for name in names]

    return run


def _by_onnxruntime(graph: Any, names: Sequence[str]) -> Run:
    import onnxruntime
    from onnx import TensorProto, helper

    graph = _standard(graph)
    taken = graph.graph.input[0].name
    del graph.graph.output[:]
    graph.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in names
        if name != taken
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    computed = [each.name for each in session.get_outputs()]

    def run(sample: FloatArray) -> list[FloatArray]:
        values = dict(zip(computed, session.run(computed, {taken: sample}), strict=True))
        return [sample if name == taken else values[name] for name in names]

    return run


def _standard(graph: Any) -> Any:
    """Return the graph with standard operators between transpositions for qonnx's channels last."""
    from onnx import ModelProto, helper, shape_inference

    copied = ModelProto()
    copied.CopyFrom(graph)
    nodes = list(copied.graph.node)
    ranks = _ranks(copied)
    del copied.graph.node[:]
    for node in nodes:
        if node.domain != CHANNELS_LAST:
            copied.graph.node.append(node)
            continue
        rank = ranks[node.input[0]]
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
    return shape_inference.infer_shapes(copied)


def _ranks(graph: Any) -> dict[str, int]:
    values = (*graph.graph.value_info, *graph.graph.input, *graph.graph.output)
    return {each.name: len(each.type.tensor_type.shape.dim) for each in values}
