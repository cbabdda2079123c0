"""Reads ONNX and QONNX graphs, and transforms them with qonnx for hls4ml."""

import logging
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tasks.conversion.dataset import FloatArray
from tasks.conversion.frontends import (
    onnx_channels_last,
    onnx_execution,
    onnx_join,
    onnx_layers,
    onnx_rewrites,
)
from tasks.conversion.frontends.base import LoadedModel, Tensor, sample_shape
from tasks.core.errors import UnsupportedModelError

log = logging.getLogger(__name__)

OLDEST_OPSET = 11  # qonnx and hls4ml read attributes as later opsets have them
OPSET = 13
# hls4ml skips or folds these, in addition to the operators that it has a reader for.
FOLDED = frozenset(("Dropout", "Identity", "Constant"))
MISREAD = frozenset(("PRelu",))  # it has a reader, which looks for the slopes among the attributes
REPLACEMENTS: Mapping[str, str] = {
    "LayerNormalization": "use BatchNormalization",
    "ConvTranspose": "use Resize with a convolution",
    "Gelu": "use Relu",
    "Erf": "replace the gelu it is part of by Relu",
    "Mish": "use Relu",
    "PRelu": "use LeakyRelu, or PReLU in a model of Keras 3",
    "HardSwish": "use Relu",
    "Gather": "remove the embedding, and use its vectors as input",
    "Attention": "use layers of MatMul and Relu",
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "use the layer in a model of Keras 3"),
    "Slice": "slice the samples before the model",
    "Split": "give the parts as separate models",
}


def load(path: Path) -> LoadedModel:
    """Load a graph, fix its batch to 1, and prepare it for hls4ml."""
    import onnx

    return from_graph(onnx.load(path, format="protobuf"), path)


def from_graph(graph: Any, path: Path) -> LoadedModel:
    """Wrap a graph for hls4ml.

    Args:
        graph: an onnx.ModelProto; it is changed.
        path: named in errors.

    Raises:
        UnsupportedModelError: hls4ml has no layer for an operator, shape or type.
    """
    onnx_rewrites.drop_weights_among_inputs(graph)
    if all(node.op_type in FOLDED | set(onnx_rewrites.LABELS) for node in graph.graph.node):
        raise UnsupportedModelError(
            "the model computes nothing: it has no layers between its inputs and outputs",
            where=str(path),
            remedy="export the model that was trained",
        )
    onnx_rewrites.drop_labels(graph)
    onnx_rewrites.add_biases(graph)
    onnx_rewrites.join_in_pairs(graph)
    inputs, outputs = (
        _tensors(graph, values, kind, path)
        for values, kind in ((graph.graph.input, "inputs"), (graph.graph.output, "outputs"))
    )
    known = onnx_channels_last.ranks(graph)
    _fix_batch(graph)
    onnx_channels_last.infer_shapes(graph, known, path)
    onnx_join.join(graph, inputs, outputs)
    taken, given = onnx_join.whole(inputs, "inputs"), onnx_join.whole(outputs, "outputs")
    with onnx_channels_last.shapes_kept(graph):
        reference, cleaned = _prepared(graph)
    _check_operators(cleaned, path)

    def configure(backend: str) -> dict[str, Any]:
        from hls4ml.utils import config_from_onnx_model

        config: dict[str, Any] = config_from_onnx_model(
            cleaned, granularity="name", backend=backend
        )
        return config

    def convert(**arguments: Any) -> Any:
        from hls4ml.converters import convert_from_onnx_model

        return convert_from_onnx_model(cleaned, **arguments)

    return LoadedModel(
        taken,
        given,
        _predictor(reference, given.shape),
        configure,
        convert,
        layer_outputs=partial(onnx_layers.layer_outputs, cleaned),
        open_formats=True,
        several_inputs=inputs if len(inputs) > 1 else (),
        several_outputs=outputs if len(outputs) > 1 else (),
    )


def _tensors(graph: Any, values: Any, kind: str, path: Path) -> tuple[Tensor, ...]:
    """Return the graph's inputs or outputs."""
    if not values:
        raise UnsupportedModelError(
            f"has no {kind}", where=str(path), remedy="export the model with an example input"
        )
    return tuple(_tensor(graph, each, path) for each in values)


def _tensor(graph: Any, value: Any, path: Path) -> Tensor:
    from onnx import TensorProto, shape_inference

    if not value.type.tensor_type.HasField("shape"):
        inferred = shape_inference.infer_shapes(graph).graph
        known = {each.name: each for each in (*inferred.value_info, *inferred.output)}
        value.CopyFrom(known.get(value.name, value))
    kind = value.type.tensor_type.elem_type
    if kind != TensorProto.FLOAT:
        raise UnsupportedModelError(
            f"its tensor {value.name} is of type {TensorProto.DataType.Name(kind).lower()}",
            where=str(path),
            remedy="export the model in float32; hls4ml chooses the fixed-point formats",
        )
    extents = [dim.dim_value or None for dim in value.type.tensor_type.shape.dim]
    if not extents:
        raise UnsupportedModelError(
            f"its tensor {value.name} has no known shape",
            where=str(path),
            remedy="export the model with shapes: only the batch axis may be dynamic",
        )
    return Tensor(value.name, sample_shape(value.name, tuple(extents)))


def _fix_batch(graph: Any) -> None:
    """Set the batch to 1, whatever it was exported with, and infer the other shapes again."""
    for value in (*graph.graph.input, *graph.graph.output):
        batch = value.type.tensor_type.shape.dim[0]
        onnx_rewrites.refit_reshapes(graph, batch.dim_value)
        batch.Clear()
        batch.dim_value = 1
    del graph.graph.value_info[:]


def _prepared(graph: Any) -> tuple[Any, Any]:
    """Return the graph to compute outputs with, and the one for hls4ml; changes the given one."""
    import onnx
    from onnx import version_converter
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model

    if _opset(graph) < OLDEST_OPSET:
        log.info("converted opset %d to %d", _opset(graph), OPSET)
        graph = version_converter.convert_version(graph, OPSET)
    onnx_rewrites.drop_casts(graph)
    reference = onnx.ModelProto()
    reference.CopyFrom(graph)
    onnx_rewrites.spell_out_windows(graph)
    onnx_rewrites.unwrap_batch_normalizations(graph)
    # The model wrapper changes the graph that it is given.
    return reference, _for_hls4ml(cleanup_model(ModelWrapper(graph)))


def _opset(graph: Any) -> int:
    versions = [each.version for each in graph.opset_import if each.domain in {"", "ai.onnx"}]
    return max(versions, default=OPSET)


def _for_hls4ml(wrapper: Any) -> Any:
    """Transform the graph as hls4ml's documentation requires: channels last, MatMul for Gemm."""
    from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
    from qonnx.transformation.gemm_to_matmul import GemmToMatMul
    from qonnx.util.cleanup import cleanup_model

    if not onnx_channels_last.nodes_of(wrapper) and any(
        len(wrapper.get_tensor_shape(node.input[0]) or ()) > 2  # noqa: PLR2004
        for node in wrapper.graph.node
    ):
        with warnings.catch_warnings():
            # It warns of a transpose that stays in front of Flatten.
            warnings.simplefilter("ignore", UserWarning)
            wrapper = wrapper.transform(ConvertToChannelsLastAndClean())
    with warnings.catch_warnings():
        # It warns of every version of Gemm but 9; later ones only changed the types.
        warnings.simplefilter("ignore", UserWarning)
        wrapper = wrapper.transform(GemmToMatMul())
    model = cleanup_model(wrapper).model
    onnx_rewrites.drop_batch_of_constants(model)
    onnx_rewrites.fill_regions(model)
    return model


def _check_operators(graph: Any, path: Path) -> None:
    from hls4ml.converters import get_supported_onnx_layers

    known = (FOLDED | set(get_supported_onnx_layers())) - MISREAD
    for node in graph.graph.node:
        if node.op_type not in known:
            raise UnsupportedModelError(
                f"hls4ml has no layer for node {node.name}, a {node.op_type}"
                + (f" of {node.domain}" if node.domain else ""),
                where=str(path),
                remedy=REPLACEMENTS.get(
                    node.op_type, "replace it: its documentation lists the operators it reads"
                ),
            )
    for node in graph.graph.node:
        if node.op_type == "Transpose" and _order(node)[:1] != [0]:
            raise UnsupportedModelError(
                f"node {node.name} transposes the batch axis, which hardware does not have",
                where=str(path),
                remedy="export it with a newer exporter: old ones for Keras wrote a vector's "
                "BatchNormalization like this",
            )
        if node.op_type == "Resize":
            _check_resize(graph, node, path)
        dilations = [
            step for each in node.attribute if each.name == "dilations" for step in each.ints
        ]
        if max(dilations, default=1) > 1:
            raise UnsupportedModelError(
                f"node {node.name} is a {node.op_type} with dilations, which hls4ml lacks",
                where=str(path),
                remedy="use a larger kernel or a pooling layer",
            )
        grouped = next((each.i for each in node.attribute if each.name == "group"), 1)
        channels = {_channels(graph, node.input[0]), _channels(graph, node.output[0])}
        if grouped > 1 and channels != {grouped}:
            raise UnsupportedModelError(
                f"node {node.name} is a convolution in {grouped} groups",
                where=str(path),
                remedy="use one group, or as many as there are channels (depthwise)",
            )


def _order(node: Any) -> list[int]:
    return next((list(each.ints) for each in node.attribute if each.name == "perm"), [])


def _channels(graph: Any, tensor: str) -> int:
    """Return the last axis of an image; 0 if its shape is not known."""
    return _shape(graph, tensor)[-1] if _shape(graph, tensor) else 0


def _shape(graph: Any, tensor: str) -> list[int]:
    values = (*graph.graph.value_info, *graph.graph.input, *graph.graph.output)
    found = next((each for each in values if each.name == tensor), None)
    return [dim.dim_value for dim in found.type.tensor_type.shape.dim] if found else []


def _check_resize(graph: Any, node: Any, path: Path) -> None:
    """Refuse what hls4ml computes otherwise: it repeats the pixels of square images."""
    from onnx import helper, numpy_helper

    given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    constants = {each.name: each for each in graph.graph.initializer}
    scales = (
        constants.get(node.input[2]) if len(node.input) == len(("x", "roi", "scales")) else None
    )
    factors = numpy_helper.to_array(scales).tolist() if scales is not None else [0.0]
    square = len(set(_shape(graph, node.input[0])[1:-1])) == 1
    whole = all(factor >= 1 and factor % 1 == 0 for factor in factors)
    repeats = (
        given.get("mode", b"nearest") == b"nearest"
        and given.get("coordinate_transformation_mode") == b"asymmetric"
        and given.get("nearest_mode") == b"floor"
    )
    if not (square and whole and repeats and factors[-1] == 1):
        raise UnsupportedModelError(
            f"node {node.name} is a Resize that hls4ml does not compute exactly",
            where=str(path),
            remedy="repeat whole pixels of square images (nearest, asymmetric, floor, a constant "
            "scale) in a graph that qonnx has put channels last",
        )


def _predictor(graph: Any, shape: tuple[int, ...]) -> Callable[[FloatArray], FloatArray]:
    run = onnx_execution.runner(graph, [graph.graph.output[0].name])

    def predict(samples: FloatArray) -> FloatArray:
        rows = [run(samples[index : index + 1])[0] for index in range(len(samples))]
        return np.concatenate(rows).astype(np.float32).reshape(len(samples), *shape)

    return predict
