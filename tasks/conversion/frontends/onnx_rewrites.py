"""Rewrites ONNX graphs exactly, replacing what hls4ml does not read."""

import logging
from typing import Any

log = logging.getLogger(__name__)

# Operators with which exported classifiers convert scores to labels and dictionaries.
SEPARATE_WEIGHTS = 4  # since this IR version, weights need not be listed as inputs
LABELS = {"Cast": 0, "ArgMax": 0, "ZipMap": 0, "ArrayFeatureExtractor": 1, "Identity": 0}


def drop_weights_among_inputs(model: Any) -> None:
    """Remove weights from the graph's inputs, where exporters for old IR versions list them."""
    weights = {each.name for each in model.graph.initializer}
    for value in [each for each in model.graph.input if each.name in weights]:
        model.graph.input.remove(value)
    model.ir_version = max(model.ir_version, SEPARATE_WEIGHTS)


def spell_out_windows(model: Any) -> None:
    """Add the default attributes of convolutions and pools, which qonnx and hls4ml require."""
    from onnx import helper, numpy_helper

    weights = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in {"Conv", "MaxPool", "AveragePool"}:
            continue
        given = {each.name: each for each in node.attribute}
        if "kernel_shape" in given:
            kernel = list(given["kernel_shape"].ints)
        elif len(node.input) > 1 and node.input[1] in weights:
            kernel = list(numpy_helper.to_array(weights[node.input[1]]).shape[2:])
        else:  # a quantized kernel whose exporter omits its shape
            continue
        axes = len(kernel)
        defaults: dict[str, Any] = {"kernel_shape": kernel, "strides": [1] * axes}
        if "auto_pad" not in given:
            defaults["pads"] = [0] * 2 * axes
        if node.op_type == "Conv":
            defaults |= {"dilations": [1] * axes, "group": 1}
        missing = {name: value for name, value in defaults.items() if name not in given}
        node.attribute.extend(helper.make_attribute(*each) for each in missing.items())


def refit_reshapes(model: Any, batch: int) -> None:
    """Make reshapes to a fixed batch size accept any size."""
    from onnx import numpy_helper

    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for weight in model.graph.initializer:
        if weight.name not in shapes:
            continue
        shape = numpy_helper.to_array(weight).copy()
        if len(shape) and shape[0] == batch > 1 and -1 not in shape:
            shape[0] = -1
            weight.CopyFrom(numpy_helper.from_array(shape, weight.name))


def drop_batch_of_constants(model: Any) -> None:
    """Drop the batch axis of added or multiplied constants, because hls4ml has none."""
    operators = [node for node in model.graph.node if node.op_type in {"Add", "Sub", "Mul", "Div"}]
    read = {name for node in operators for name in node.input}
    for weight in model.graph.initializer:
        if weight.name in read and len(weight.dims) > 1 and weight.dims[0] == 1:
            del weight.dims[0]
    for value in model.graph.value_info:
        dims = value.type.tensor_type.shape.dim
        if value.name in {each.name for each in model.graph.initializer} & read and len(dims) > 1:
            del dims[0]


def fill_regions(model: Any) -> None:
    """Give each Resize a region of interest, which is not used: hls4ml fails on an empty one."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    for node in model.graph.node:
        if node.op_type != "Resize" or len(node.input) == 1:
            continue
        for kept in (model.graph.initializer, model.graph.value_info):
            for old in [each for each in kept if each.name == node.input[1]]:
                kept.remove(old)
        node.input[1] = f"{node.output[0]}_region"
        region = numpy_helper.from_array(np.zeros(1, np.float32), node.input[1])
        shape = helper.make_tensor_value_info(node.input[1], TensorProto.FLOAT, [1])
        model.graph.initializer.append(region)
        model.graph.value_info.append(shape)


def add_biases(model: Any) -> None:
    """Give a Gemm without a bias one of zeros, which qonnx looks for."""
    import numpy as np
    from onnx import numpy_helper

    weights = {each.name: each.dims for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Gemm" or "".join(node.input[2:]) or node.input[1] not in weights:
            continue
        transposed = any(each.name == "transB" and each.i for each in node.attribute)
        size = weights[node.input[1]][0 if transposed else 1]
        name = f"{node.output[0]}_bias"
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(size, np.float32), name))
        node.input[:] = [*node.input[:2], name]


def join_in_pairs(model: Any) -> None:
    """Join more than two tensors two at a time, as hls4ml does."""
    from onnx import helper

    nodes = []
    for node in model.graph.node:
        if node.op_type == "Concat" and len(node.input) > 2:  # noqa: PLR2004
            log.info("%s joins %d tensors, two at a time", node.name, len(node.input))
            (axis,) = (each.i for each in node.attribute if each.name == "axis")
            joined, *others, last = node.input
            for count, other in enumerate(others):
                name = f"{node.output[0]}_pair_{count}"
                nodes.append(helper.make_node("Concat", [joined, other], [name], name, axis=axis))
                joined = name
            node.input[:] = [joined, last]
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def drop_labels(model: Any) -> None:
    """Remove the conversion of scores to labels, so that the output is one tensor of scores.

    skl2onnx ends a classifier with Softmax, then ArgMax, ZipMap and casts; for two classes it
    outputs the probabilities p and 1 - p.
    """
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    scores = {_scores(makers, output.name) for output in graph.output}
    if scores == {output.name for output in graph.output} or len(scores) != 1:
        return
    (name,) = scores
    last = makers[name]
    kept = _needed(makers, name)
    dropped = [node for node in graph.node if id(node) not in kept]
    log.info(
        "removed %s after the scores of %s",
        ", ".join(sorted({node.op_type for node in dropped})),
        last.op_type,
    )
    for node in dropped:
        graph.node.remove(node)
    from onnx import TensorProto, helper

    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))


def _scores(makers: dict[str, Any], name: str) -> str:
    """Return the tensor of scores from which an output is computed."""
    node = makers.get(name)
    if node is None:
        return name
    if node.op_type in LABELS:
        return _scores(makers, node.input[LABELS[node.op_type]])
    before = makers.get(node.input[0])
    if node.op_type == "Reshape" and before and before.op_type == "ArrayFeatureExtractor":
        return _scores(makers, node.input[0])
    if node.op_type == "Concat" and before and before.op_type == "Sub":
        probability = node.input[1]
        if before.input[1] == probability:
            return str(probability)
    return name


def _needed(makers: dict[str, Any], name: str) -> set[int]:
    """Return the ids of the nodes that compute a tensor."""
    found: set[int] = set()
    waiting = [name]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and id(node) not in found:
            found.add(id(node))
            waiting.extend(node.input)
    return found


def drop_casts(model: Any) -> None:
    """Remove casts of the float32 input to float32."""
    from onnx import TensorProto

    inputs = {each.name for each in model.graph.input}
    for node in list(model.graph.node):
        to_float = [each.i for each in node.attribute if each.name == "to"] == [TensorProto.FLOAT]
        if node.op_type == "Cast" and to_float and node.input[0] in inputs:
            _bypass(model.graph, node)
            log.info("removed a cast of the input to its own type")


def unwrap_batch_normalizations(model: Any) -> None:
    """Remove Unsqueeze and Squeeze around a BatchNormalization of a vector."""
    graph = model.graph
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    makers = {name: node for node in graph.node for name in node.output}
    for node in list(graph.node):
        if node.op_type != "BatchNormalization":
            continue
        before, after = makers.get(node.input[0]), readers.get(node.output[0], [])
        wrapped = before is not None and before.op_type == "Unsqueeze" and len(after) == 1
        if wrapped and after[0].op_type == "Squeeze":
            _bypass(graph, before)
            _bypass(graph, after[0])
            log.info("removed Unsqueeze and Squeeze around %s", node.name or "BatchNormalization")


def _bypass(graph: Any, node: Any) -> None:
    """Connect a node's consumers to its input."""
    source, result = node.input[0], node.output[0]
    graph.node.remove(node)
    for reader in graph.node:
        for index, name in enumerate(reader.input):
            if name == result:
                reader.input[index] = source
    if any(output.name == result for output in graph.output):
        for maker in graph.node:
            for index, name in enumerate(maker.output):
                if name == source:
                    maker.output[index] = result
