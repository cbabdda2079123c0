"""Verilog of a traced model: alkaid's pipeline, and a wrapper with uniform elements."""

import shutil
import tempfile
from collections.abc import Sequence
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


@dataclass(frozen=True)
class Design:
    """What was written.

    Attributes:
        latency_cycles: register stages from `inp` to `out`.
        registers: flip-flops of the pipeline.
    """

    latency_cycles: int
    registers: int


def stage_length(clock_period_ns: float) -> float:
    """The longest delay of a pipeline stage, in alkaid's units."""
    return max((clock_period_ns - REGISTER_NS) / NS_PER_UNIT, SHORTEST_STAGE)


def write(
    logic: CombLogic, graph: Graph, project_name: str, directory: Path, *, clock_period_ns: float
) -> Design:
    """Write `directory/*.v` with the top module `<project_name>_core`; each file one module."""
    pipeline = to_pipeline(
        logic, latency_cutoff=stage_length(clock_period_ns), verbose=False, reg_inp=False
    )
    inner = f"{project_name}_pipeline"
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        model = RTLModel(pipeline, scratch, prj_name=inner, print_latency=False, ternary_fuse=False)
        model.write()
        sources = Path(scratch, "src")
        for path in [*sources.glob("*.v"), *sources.glob("static/*.v")]:
            if path.stem != f"{inner}_wrapper":
                shutil.copy(path, directory)
    core = f"{project_name}_core"
    (directory / f"{core}.v").write_text(_wrapper(core, inner, logic, graph))
    stages = pipeline.out_signals[0].schedule.bias
    return Design(latency_cycles=stages, registers=model.reg_bits)


def _wrapper(core: str, inner: str, logic: CombLogic, graph: Graph) -> str:
    """The top module: elements of one width each side, alkaid's packed bits inside."""
    inputs = [interval.kif for interval in logic.inp_qint]
    outputs = [interval.kif for interval in logic.out_qint]
    n_inp, n_out = (sum(map(sum, precisions)) for precisions in (inputs, outputs))
    lines = [
        "`timescale 1 ns / 1 ps",
        "",
        f"module {core} (",
        "    input clk,",
        "    // verilator lint_off UNUSEDSIGNAL",
        f"    input [{graph.input.size * graph.input.format.width - 1}:0] inp,",
        "    // verilator lint_on UNUSEDSIGNAL",
        f"    output [{graph.output.size * graph.output.format.width - 1}:0] out",
        ");",
        f"    wire [{n_inp - 1}:0] packed_inp;",
        f"    wire [{n_out - 1}:0] packed_out;",
        *_unpack(graph.input, inputs),
        f"    {inner} pipeline (.clk(clk), .model_inp(packed_inp), .model_out(packed_out));",
        *_pack(graph.output, outputs),
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def _unpack(tensor: Tensor, precisions: Sequence[Precision]) -> list[str]:
    """Assignments that pick the bits that alkaid uses out of the uniform elements."""
    lines, position = [], 0
    for index, precision in enumerate(precisions):
        bits = sum(precision)
        if bits:
            low = index * tensor.format.width + tensor.format.fraction - precision.fractional
            lines.append(f"    assign packed_inp[{position} +: {bits}] = inp[{low} +: {bits}];")
        position += bits
    return lines


def _pack(tensor: Tensor, precisions: Sequence[Precision]) -> list[str]:
    """Assignments that extend alkaid's results to uniform elements."""
    lines, position, width = [], 0, tensor.format.width
    for index, precision in enumerate(precisions):
        bits = sum(precision)
        if bits == 0:
            value = f"{width}'d0"
        else:
            below = tensor.format.fraction - precision.fractional
            above = width - bits - below
            sign = f"packed_out[{position + bits - 1}]" if precision.signed else "1'b0"
            parts = [f"{{{above}{{{sign}}}}}"] if above else []
            parts.append(f"packed_out[{position} +: {bits}]")
            parts.extend([f"{below}'d0"] if below else [])
            value = f"{{{', '.join(parts)}}}"
        lines.append(f"    assign out[{index * width} +: {width}] = {value};")
        position += bits
    return lines
