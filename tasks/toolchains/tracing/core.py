"""Build the core: trace the converted graph, hold it against the C simulation, write Verilog."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import numpy as np
from alkaid.trace import FVArray, HWConfig, trace
from alkaid.types import CombLogic
from numpy.typing import NDArray

from tasks.errors import InputError, ToolError
from tasks.records import Resources
from tasks.toolchains.tracing import formats, layers, rtl
from tasks.toolchains.tracing.graph import Graph, Node, load_graph
from tasks.toolchains.tracing.optimise import optimise
from tasks.toolchains.tracing.report import CoreReport

logger = logging.getLogger(__name__)

# Costs of adders in LUTs, delays with the carry chains of Xilinx 7: 4 bits a CARRY4.
HARDWARE = HWConfig(adder_size=1, carry_size=4, latency_cutoff=-1)
LONGEST_CHAIN = 1_000_000
LOOKUP = 8
"""alkaid's operation code of a table."""
FREE = frozenset(("neg", "new", "wrap", "const", "bit_unary"))
"""Operations that take no LUTs worth telling a layer by."""


def build_core(files: Path, project_name: str, out: Path, *, clock_period_ns: float) -> CoreReport:
    """Write `out/rtl/*.v` with the top module `<project_name>_core` for a converted model.

    Args:
        files: of the convert entry: `model.fml`, `project/`, `X_test.npy`, `y_csim.npy`.
        project_name: a C identifier.
        out: an existing directory.
        clock_period_ns: the core is cut into pipeline stages that fit this period.

    Raises:
        UnsupportedModelError: a layer that cannot be traced, by its name.
        ToolError: the traced logic differs from the C simulation; nothing was written.
        InputError: files of the entry are missing or damaged.
    """
    graph = load_graph(files / "model.fml", files / "project" / "firmware" / "weights")
    logic, weights = trace_graph(graph)
    samples = check(logic, graph, _load(files / "X_test.npy"), _load(files / "y_csim.npy"))
    design = rtl.write(logic, graph, project_name, out / "rtl", clock_period_ns=clock_period_ns)
    luts = _luts(logic)
    return CoreReport(
        latency_cycles=design.latency_cycles,
        samples=samples,
        estimate=Resources(lut=luts, ff=design.registers, dsp=0, bram_36k=0),
        luts_by_layer=_apportioned(luts, weights),
        versions={name: version(name) for name in ("alkaid", "hls4ml", "numpy")},
    )


def trace_graph(graph: Graph) -> tuple[CombLogic, dict[str, int]]:
    """All layers as one combinational program of adders, multiplexers and tables.

    Returns:
        The program, and how many bits the operations of each layer calculate.
    """
    weights: dict[str, int] = {}
    x = _any_input(graph)
    values, known = {graph.input.name: x}, {value.id for value in np.asarray(x).ravel()}
    for node in graph.nodes:
        if node.kind == "Input":
            continue
        logger.info("tracing layer %s (%s)", node.name, node.kind)
        result = layers.trace(node, [values[tensor.name] for tensor in node.inputs])
        weights[node.name] = _weigh(node, result, known)
        values.update((tensor.name, result) for tensor in node.outputs)
    with _deep_recursion():
        program = trace(x.ravel(), values[graph.output.name].ravel(), optimize=False)
        return optimise(program), weights


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Let alkaid follow each chain of operations to its end by recursion."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, LONGEST_CHAIN))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _any_input(graph: Graph) -> FVArray:
    """The model's input: any value of its type."""
    target, shape = graph.input.format, graph.input.shape
    kif = (int(target.signed), target.integer - target.signed, target.fraction)
    return FVArray.from_kif(*(np.full(shape, part) for part in kif), HARDWARE)


def _luts(logic: CombLogic) -> int:
    """Alkaid's estimate, and for a table a 6-input LUT for each 64 entries of each output bit."""
    tables = sum(
        sum(op.qint.kif) * 2 ** max(sum(logic.ops[op.addr[0]].qint.kif) - 6, 0)
        for op in logic.ops
        if op.opcode == LOOKUP
    )
    return int(logic.cost + tables)


def _apportioned(luts: int, weights: Mapping[str, int]) -> dict[str, int]:
    """The LUTs of the whole core, by layer: what layers share is optimised across them."""
    whole = sum(weights.values()) or 1
    return {name: round(luts * weight / whole) for name, weight in weights.items() if weight}


def _weigh(node: Node, result: FVArray, known: set[UUID]) -> int:
    """Count the bits that a layer's operations calculate.

    Values that alkaid, which calculates in float64, would not keep exactly are refused.

    Args:
        node: the layer that was traced.
        result: its output.
        known: ids of values of the layers before it; gets those of this layer.
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
                f"{formats.EXACT_BITS} bits, or use toolchain vivado",
            )
        weight += 0 if value.opr in FREE else sum(value.kif)
        waiting.extend(value._from)  # noqa: SLF001  # alkaid has no public way to a value's operands
    return weight


def check(
    logic: CombLogic, graph: Graph, x: NDArray[np.floating], expected: NDArray[np.floating]
) -> int:
    """Compare the traced logic with the C simulation on all samples, and return their number.

    Args:
        logic: as traced.
        graph: that it was traced from.
        x: test samples, as the C simulation got them.
        expected: the C simulation's outputs.

    Raises:
        ToolError: an output differs.
        InputError: the shapes do not belong together.
    """
    if x.size != len(x) * graph.input.size or expected.size != len(x) * graph.output.size:
        raise InputError(
            f"X_test {x.shape} and y_csim {expected.shape} do not fit the model's input "
            f"{graph.input.shape} and output {graph.output.shape}",
            remedy="run the conversion again",
        )
    words = formats.cast_constants(x.reshape(len(x), -1), graph.input.format)
    got = logic.predict(words).astype(np.float32)
    wanted = expected.reshape(got.shape).astype(np.float32)
    different = np.argwhere(got != wanted)
    if len(different):
        sample, element = different[0]
        raise ToolError(
            f"the traced logic differs from the C simulation on {len(np.unique(different[:, 0]))} "
            f"of {len(x)} samples, first in sample {sample}, element {element}: "
            f"expected {wanted[sample, element]}, got {got[sample, element]}",
            where="toolchain open",
            remedy="use toolchain vivado for this model, and report its layers and precisions",
        )
    return len(x)


def _load(path: Path) -> NDArray[np.floating]:
    try:
        array: NDArray[np.floating] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the array cannot be read: {error}", where=str(path), remedy="run the conversion again"
        ) from error
    return array
