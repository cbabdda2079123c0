"""Builds an unrolled core: traces the graph, compares it with the C simulation, writes Verilog."""

import logging
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import numpy as np
from alkaid.trace import FVArray
from alkaid.types import CombLogic
from numpy.typing import NDArray

from tasks.core.errors import InputError
from tasks.core.records.design import Resources
from tasks.toolchains.cores import formats, layers, verilog
from tasks.toolchains.cores.check import check
from tasks.toolchains.cores.graph import Graph, Node, load_graph
from tasks.toolchains.cores.optimise import optimise, program
from tasks.toolchains.cores.report import CoreReport
from tasks.toolchains.cores.size import warn_if_large

logger = logging.getLogger(__name__)

FREE = frozenset(("neg", "new", "wrap", "const", "bit_unary"))
"""Operations that take no LUTs of their own, and do not count for a layer."""


def build_core(files: Path, project_name: str, out: Path, *, clock_period_ns: float) -> CoreReport:
    """Write `out/rtl/*.v` with the top module `<project_name>_core` for a converted model.

    Args:
        files: of the convert entry: `model.fml`, `project/`, `X_test.npy`, `y_csim.npy`.
        project_name: a C identifier.
        out: an existing directory.
        clock_period_ns: the core is cut into pipeline stages that fit this period.

    Raises:
        UnsupportedModelError: a layer cannot be traced; the message names it.
        ToolError: the traced logic differs from the C simulation; nothing was written.
        InputError: files of the entry are missing or damaged.
    """
    graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
    warn_if_large(graph)
    logic, weights = trace_graph(graph)
    samples = check(logic, graph, _load(files / "X_test.npy"), _load(files / "y_csim.npy"))
    design = verilog.write(logic, graph, project_name, out / "rtl", clock_period_ns=clock_period_ns)
    luts = int(logic.cost) + verilog.table_luts(logic)
    return CoreReport(
        latency_cycles=design.latency_cycles,
        samples=samples,
        estimate=Resources(lut=luts, ff=design.registers, dsp=0, bram_36k=0),
        luts_by_layer=_apportioned(luts, weights),
    )


def trace_graph(graph: Graph) -> tuple[CombLogic, dict[str, int]]:
    """Trace all layers into one combinational program of adders, multiplexers and tables.

    Returns:
        The program, and the number of bits that each layer's operations compute.
    """
    weights: dict[str, int] = {}
    x = layers.any_input(graph)
    values, known = {graph.input.name: x}, {value.id for value in np.asarray(x).ravel()}
    for node in graph.nodes:
        if node.kind == "Input":
            continue
        logger.info("tracing layer %s (%s)", node.name, node.kind)
        result = layers.trace(node, [values[tensor.name] for tensor in node.inputs])
        weights[node.name] = _weigh(node, result, known)
        values[node.output.name] = result
    return optimise(program(x, values[graph.output.name])), weights


def _apportioned(luts: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Split the core's LUTs between the layers, in proportion: logic is shared across layers."""
    whole = sum(weights.values()) or 1
    return {name: round(luts * weight / whole) for name, weight in weights.items() if weight}


def _weigh(node: Node, result: FVArray, known: set[UUID]) -> int:
    """Count the bits that a layer's operations compute.

    Values that are too wide to be exact in alkaid, which computes in float64, are refused.

    Args:
        node: the layer that was traced.
        result: its output.
        known: ids of the values of earlier layers; those of this layer are added.
    """
    weight = 0
    waiting = list(np.asarray(result).ravel())
    while waiting:
        value = waiting.pop()
        if value.id in known:
            continue
        known.add(value.id)
        if sum(value.kif) > formats.EXACT_BITS:
            raise node.unsupported(
                f"calculates with {sum(value.kif)} bits",
                f"give it and the layers before it precisions that keep products and sums within "
                f"{formats.EXACT_BITS} bits, or use toolchain vivado-hls",
            )
        weight += 0 if value.opr in FREE else sum(value.kif)
        waiting.extend(value._from)  # noqa: SLF001  # alkaid has no public way to a value's operands
    return weight


def _load(path: Path) -> NDArray[np.floating]:
    try:
        array: NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the array cannot be read: {error}", where=str(path), remedy="run the conversion again"
        ) from error
    return array
