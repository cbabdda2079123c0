"""Estimates the size of an unrolled core, before minutes are spent on tracing it."""

import logging

import numpy as np
from numpy.typing import NDArray

from tasks.toolchains.cores import garnet
from tasks.toolchains.cores.elementwise import parameters
from tasks.toolchains.cores.folded import plan
from tasks.toolchains.cores.graph import Graph, Node, Tensor

logger = logging.getLogger(__name__)

LARGE = 5_000
"""Number of products that take about 100,000 LUTs with 8-bit weights, more than most parts have."""
SHARING = 0.12
"""Of the additions for n digits, n ** -SHARING are left after common sums are shared.

Fitted to the layers of the examples, whose LUTs by alkaid it meets within 27 %.
"""
LUTS_OF_PRODUCT = 12
"""LUTs per bit of a feature, of which a GarNet computes distance and weighed value; also fitted."""
LUTS_OF_TABLE = 640
"""LUTs of its table of 4096 edge weights, of which each vertex has one for each aggregator."""
SHIFTED = 2
"""Bits by which an adder is wider than its inputs: they are shifted against each other."""
READS_ALL = (
    plan.POOLING
    | plan.GLOBAL_POOLING
    | {
        "Activation",
        "ApplyAlpha",
        "BatchNormalization",
        "HardActivation",
        "Merge",
        "PReLU",
        "ParametrizedActivation",
    }
)
_FRACTION = 32
"""Fractional bits with which the weights' digits are counted."""

Widths = NDArray[np.int64]


def warn_if_large(graph: Graph) -> None:
    """Warn that a graph is large, and say which layers are and what to do about it."""
    products = {node.name: count_products(node) for node in graph.nodes}
    total = sum(products.values())
    if total <= LARGE:
        return
    largest = sorted(products, key=lambda name: -products[name])[:3]
    logger.warning(
        "WARNING: a core of %d products, all unrolled, may take minutes to build and not fit the "
        "part; most are in %s; prune weights or give them fewer bits (HGQ2), make these layers "
        "smaller, or use core folded",
        total,
        ", ".join(f"{name} ({products[name]})" for name in largest if products[name]),
    )


def unrolled_luts(graph: Graph) -> int:
    """Estimate the LUTs of an unrolled core.

    Most are adders for the digits of its weights, less what sums share. Other layers take about one
    LUT per bit that they read; tables and what moves elements count as nothing.
    """
    widths = {graph.input.name: np.full(graph.input.size, graph.input.format.width)}
    luts = 0
    for node in graph.nodes:
        widths[node.output.name] = _element_widths(node, node.output)
        if "weight" in node.attributes:
            luts += _luts_of_sums(node, widths[node.inputs[0].name])
        elif node.kind in garnet.KINDS:
            luts += _luts_of_graph(node)
        elif node.kind in READS_ALL:
            luts += sum(int(widths[tensor.name].sum()) for tensor in node.inputs)
    return luts


def _element_widths(node: Node, tensor: Tensor) -> Widths:
    """Return the bits of each element; those of HGQ2 differ, and the tensor's format holds all."""
    if node.kind == "FixedPointQuantizer":
        _, widths, _ = parameters(node, tensor.size).astype(np.int64).T
        return np.asarray(widths)
    return np.full(tensor.size, tensor.format.width)


def _luts_of_sums(node: Node, widths: Widths) -> int:
    """Estimate the LUTs of a layer's sums of products, of inputs with these widths."""
    weights, einsum = node.weights("weight"), node.kind == "EinsumDense"
    outputs = node.integer("n_free_kernel") if einsum else len(node.weights("bias"))
    positions = count_products(node) // max(int(np.count_nonzero(weights)), 1)
    transposed = node.attributes.get("_weights_transposed")
    matrix = weights.reshape(outputs, -1).T if transposed else weights.reshape(-1, outputs)
    values = np.rint(np.ldexp(matrix, _FRACTION)).astype(np.int64)
    # Digits of a non-adjacent form: where x and 3 x differ.
    digits = np.bitwise_count(values ^ 3 * values).astype(np.int64)
    by_channel = widths.reshape(-1, node.inputs[0].shape[-1]).mean(axis=0)
    if node.kind in plan.DEPTHWISE:
        read = np.resize(by_channel, outputs)
    else:
        read = np.resize(by_channel, len(matrix))[:, np.newaxis]
    count = int((digits * (read > 0)).sum())
    if count <= outputs:
        return 0
    bits = (digits * read).sum() / count + np.log2(count / outputs) / 2 + SHIFTED
    return int((count - outputs) * count**-SHARING * bits) * positions


def _luts_of_graph(node: Node) -> int:
    """Estimate the LUTs of a GarNet, which computes most for each vertex and aggregator."""
    *inner, last = garnet.sublayers(node)
    tables = bits = 0
    for each in (*inner, last):
        outputs, aggregators, features = each.weights.shape
        tables += aggregators
        bits += aggregators * features * each.data.width
        bits += aggregators * outputs * each.output.width if each is not last else 0
    vertices = node.integer("n_vertices")
    return vertices * (LUTS_OF_TABLE * tables + LUTS_OF_PRODUCT * bits)


def count_products(node: Node) -> int:
    """Return the number of multiplications by non-zero weights in a layer."""
    if "weight" not in node.attributes:
        return 0
    if node.kind == "EinsumDense":
        positions = node.integer("n_free_data")
    else:
        positions = node.output.size // node.output.shape[-1]
    return positions * int(np.count_nonzero(node.weights("weight")))
