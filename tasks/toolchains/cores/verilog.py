"""Writes the Verilog of a traced model: alkaid's pipeline in a wrapper with uniform elements."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alkaid.codegen import RTLModel
from alkaid.trace import to_pipeline
from alkaid.types import CombLogic, Precision

from tasks.toolchains.cores.graph import Graph, Tensor

# alkaid counts delays in units of roughly a nanosecond of an UltraScale+ part: 1.1 for an adder,
# 0.5 for a multiplexer. On a 7-series part of speed grade -1 an adder of 16 bits takes some
# 1.9 ns with its wires; a register's clock-to-out, set-up time and clock skew take the rest.
NS_PER_UNIT = 1.7
REGISTER_NS = 1.2
# No stage is shorter than one adder: no pipelining makes the design faster than that.
SHORTEST_STAGE = 1.3


LOOKUP = 8
"""alkaid's opcode of a table."""

Element = tuple[int, int]
"""Width and fractional bits of a uniform element."""


@dataclass(frozen=True)
class Design:
    """A pipeline that was written.

    Attributes:
        latency_cycles: register stages from `inp` to `out`.
        registers: flip-flops of the pipeline.
    """

    latency_cycles: int
    registers: int


def write(
    logic: CombLogic, graph: Graph, project_name: str, directory: Path, *, clock_period_ns: float
) -> Design:
    """Write `directory/*.v` with the top module `<project_name>_core`; each file one module."""
    inner, core = f"{project_name}_pipeline", f"{project_name}_core"
    design = write_pipeline(logic, inner, directory, clock_period_ns=clock_period_ns)
    inputs, output = {"inp": _elements(graph.input)}, ("out", _elements(graph.output))
    (directory / f"{core}.v").write_text(wrapper(core, inner, logic, inputs, output))
    return design


def write_pipeline(
    logic: CombLogic, name: str, directory: Path, *, clock_period_ns: float
) -> Design:
    """Write the modules of a pipeline with ports clk, model_inp and model_out, of packed bits."""
    stage = max((clock_period_ns - REGISTER_NS) / NS_PER_UNIT, SHORTEST_STAGE)
    pipeline = to_pipeline(logic, latency_cutoff=stage, verbose=False, reg_inp=False)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        model = RTLModel(pipeline, scratch, prj_name=name, print_latency=False, ternary_fuse=False)
        model.write()
        sources = Path(scratch, "src")
        for path in [*sources.glob("*.v"), *sources.glob("static/*.v")]:
            if path.stem != f"{name}_wrapper":
                shutil.copy(path, directory)
    stages = pipeline.out_signals[0].schedule.bias
    return Design(latency_cycles=stages, registers=model.reg_bits)


def wrapper(
    module: str,
    inner: str,
    logic: CombLogic,
    inputs: Mapping[str, Sequence[Element]],
    output: tuple[str, Sequence[Element]],
) -> str:
    """Return a module with uniform elements at its ports around a pipeline of packed bits.

    Args:
        module: its name; it also has a port clk.
        inner: the pipeline's name.
        logic: what the pipeline computes.
        inputs: input ports, and their elements.
        output: output port, and its elements.
    """
    given = [interval.kif for interval in logic.inp_qint]
    answered = [interval.kif for interval in logic.out_qint]
    n_given, n_answered = (max(sum(map(sum, kifs)), 1) for kifs in (given, answered))
    lines = [
        "`timescale 1 ns / 1 ps",
        "",
        f"module {module} (",
        "    input clk,",
        "    // verilator lint_off UNUSEDSIGNAL",
        *(f"    input [{_bits(elements) - 1}:0] {name}," for name, elements in inputs.items()),
        "    // verilator lint_on UNUSEDSIGNAL",
        f"    output [{_bits(output[1]) - 1}:0] {output[0]}",
        ");",
        f"    wire [{n_given - 1}:0] packed_inp;",
        f"    wire [{n_answered - 1}:0] packed_out;",
        *_unpack(inputs, given),
        f"    {inner} pipeline (.clk(clk), .model_inp(packed_inp), .model_out(packed_out));",
        *_pack(output[1], answered, output[0]),
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def _elements(tensor: Tensor) -> list[Element]:
    return [(tensor.format.width, tensor.format.fraction)] * tensor.size


def _bits(elements: Sequence[Element]) -> int:
    return sum(width for width, _ in elements)


def _unpack(inputs: Mapping[str, Sequence[Element]], precisions: Sequence[Precision]) -> list[str]:
    """Return assignments that pick the bits that alkaid uses out of the uniform elements."""
    lines, position, left = [], 0, iter(precisions)
    for name, elements in inputs.items():
        start = 0
        for (width, fraction), precision in zip(elements, left, strict=False):
            bits = sum(precision)
            if bits:
                low = start + fraction - precision.fractional
                lines.append(
                    f"    assign packed_inp[{position} +: {bits}] = {name}[{low} +: {bits}];"
                )
            position += bits
            start += width
    return lines


def _pack(elements: Sequence[Element], precisions: Sequence[Precision], target: str) -> list[str]:
    """Return assignments that extend alkaid's results to uniform elements."""
    lines, position, start = [], 0, 0
    for (width, fraction), precision in zip(elements, precisions, strict=True):
        bits = sum(precision)
        if bits == 0:
            value = f"{width}'d0"
        else:
            below = fraction - precision.fractional
            above = width - bits - below
            sign = f"packed_out[{position + bits - 1}]" if precision.signed else "1'b0"
            parts = [f"{{{above}{{{sign}}}}}"] if above else []
            parts.append(f"packed_out[{position} +: {bits}]")
            parts.extend([f"{below}'d0"] if below else [])
            value = f"{{{', '.join(parts)}}}"
        lines.append(f"    assign {target}[{start} +: {width}] = {value};")
        position += bits
        start += width
    return lines


def table_luts(logic: CombLogic) -> int:
    """Estimate the LUTs of tables: one of 6 inputs for each 64 entries of each output bit."""
    return sum(
        sum(op.qint.kif) * 2 ** max(sum(logic.ops[op.addr[0]].qint.kif) - 6, 0)
        for op in logic.ops
        if op.opcode == LOOKUP
    )
