"""Estimates the size of an unrolled core, before minutes are spent on tracing it."""

import logging

import numpy as np

from tasks.toolchains.cores.graph import Graph, Node

logger = logging.getLogger(__name__)

LARGE = 5_000
"""Number of products that take about 100,000 LUTs with 8-bit weights, more than most parts have."""
SHARED = 0.65
"""Share of the additions for the weights' digits that is left after common sums are shared."""
_FRACTION = 32
"""Fractional bits with which the weights' digits are counted."""


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
    """Estimate the LUTs of an unrolled core from its weights' digits, less what sums share."""
    return sum(_luts_of_sums(node) for node in graph.nodes if "weight" in node.attributes)


def _luts_of_sums(node: Node) -> int:
    weights = node.weights("weight")
    values = np.rint(np.ldexp(weights, _FRACTION)).astype(np.int64)
    # Digits of a non-adjacent form: where x and 3 x differ.
    digits = int(np.bitwise_count(values ^ 3 * values).sum())
    positions = count_products(node) // max(int(np.count_nonzero(weights)), 1)
    outputs = node.output.shape[-1]
    bits = node.inputs[0].format.width + np.log2(max(weights.size / outputs, 2)) / 2
    return int(max(digits - outputs, 0) * SHARED * bits) * positions


def count_products(node: Node) -> int:
    """Return the number of multiplications by non-zero weights in a layer."""
    if "weight" not in node.attributes:
        return 0
    if node.kind == "EinsumDense":
        positions = node.integer("n_free_data")
    else:
        positions = node.output.size // node.output.shape[-1]
    return positions * int(np.count_nonzero(node.weights("weight")))
