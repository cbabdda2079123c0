"""Computes tensors of ONNX and QONNX graphs, a sample at a time."""

from collections.abc import Callable, Sequence
from typing import Any

from tasks.conversion.dataset import FloatArray
from tasks.conversion.frontends.onnx_channels_last import ranks, shapes_kept, standard

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

    with shapes_kept(graph):
        wrapper = ModelWrapper(graph, make_deepcopy=True).transform(InferShapes())
    taken = graph.graph.input[0].name

    def run(sample: FloatArray) -> list[FloatArray]:
        values = execute_onnx(wrapper, {taken: sample}, return_full_exec_context=True)
        return [values[name] for name in names]

    return run


def _by_onnxruntime(graph: Any, names: Sequence[str]) -> Run:
    import onnxruntime
    from onnx import TensorProto, helper, shape_inference

    graph = shape_inference.infer_shapes(standard(graph, ranks(graph)))
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
