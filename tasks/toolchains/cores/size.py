"""How much a graph asks of the tracer, said before the minutes that it takes."""

import logging

import numpy as np

from tasks.toolchains.cores.graph import Graph, Node

logger = logging.getLogger(__name__)

LARGE = 5_000
"""Products that take some 100,000 LUTs with weights of 8 bits: more than most parts have."""


def warn_if_large(graph: Graph) -> None:
    """Say in the log that a graph is large, where most of it lies, and what can be done."""
    products = {node.name: count_products(node) for node in graph.nodes}
    total = sum(products.values())
    if total <= LARGE:
        return
    largest = sorted(products, key=lambda name: -products[name])[:3]
    logger.warning(
        "WARNING: a core of %d products, all unrolled, may take minutes to build and not fit the "
        "part; most are in %s; prune weights or give them fewer bits (HGQ2), make these layers "
        "smaller, or use toolchain vivado-hls with a reuse factor",
        total,
        ", ".join(f"{name} ({products[name]})" for name in largest if products[name]),
    )


def count_products(node: Node) -> int:
    """Multiplications of a layer by weights that are not 0."""
    if "weight" not in node.attributes:
        return 0
    if node.kind == "EinsumDense":
        positions = node.integer("n_free_data")
    else:
        positions = node.output.size // node.output.shape[-1]
    return positions * int(np.count_nonzero(node.weights("weight")))
