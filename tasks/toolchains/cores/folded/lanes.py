"""Traces the computation of one element, with the functions for unrolled cores, to a pipeline."""

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from alkaid.trace import FVariable, FVArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import elementwise, formats, layers, verilog
from tasks.toolchains.cores.elementwise import PER_ELEMENT
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.optimise import optimise, program

Function = Callable[[Sequence[FVariable]], FVariable]
"""Computes a lane's output from its inputs."""

_STAGE = re.compile(r"\blogic(\d+)\b")
_TABLE = re.compile(r"^module (table_\w+).*?^endmodule$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Lane:
    """A pipeline; its inputs have one format, and so have its outputs.

    Attributes:
        module: its name.
        format: of the outputs.
        latency: register stages.
        luts: alkaid's estimate.
    """

    module: str
    format: FixedPoint
    latency: int
    luts: int


def apply(node: Node, own: tuple[float, ...], x: FVariable) -> FVariable:
    """Trace an elementwise layer for one element with its own parameters."""
    if node.kind in PER_ELEMENT:
        result = elementwise.apply(node, own, x)
    else:
        vector = as_vector([x])
        result = np.asarray(layers.TRACERS[node.kind](_of_one(node), [vector])).ravel()[0]
    if not isinstance(result, FVariable):
        result = FVariable.from_const(result, x.hwconf)
    return formats.cast_one(result, node.output.format)


def _of_one(node: Node) -> Node:
    """Return the layer reduced to a single element."""
    single = tuple(replace(tensor, shape=(1,)) for tensor in node.inputs)
    return replace(node, inputs=single)


def any_of(target: FixedPoint, count: int) -> list[FVariable]:
    """Return traced values that can be any value of a format."""
    if not count:
        return []
    kif = (int(target.signed), target.integer - target.signed, target.fraction)
    traced = FVArray.from_kif(*(np.full((count,), part) for part in kif), layers.HARDWARE)
    return list(np.asarray(traced))


def as_vector(values: Sequence[FVariable]) -> FVArray:
    """Return traced values as an array."""
    sample = FVArray.from_kif(*(np.zeros((1,), int) + part for part in (0, 1, 0)), layers.HARDWARE)
    elements = np.empty(len(values), dtype=object)
    elements[:] = values
    return formats.like(sample, elements)


def choose(selects: Sequence[FVariable], results: Sequence[FVariable]) -> FVariable:
    """Return the result whose select bit is 1, or the first if none is."""
    chosen = results[0]
    for select, result in zip(selects, results[1:], strict=True):
        chosen = select.msb_mux(result, chosen)
    return chosen


def common_format(values: Sequence[FVariable]) -> FixedPoint:
    """Return a format that holds all values that a lane may give."""
    kifs = np.array([value.kif for value in values if sum(value.kif) > 0] or [(0, 1, 0)])
    signed, integer, fraction = (int(part) for part in kifs.max(axis=0))
    return FixedPoint(
        width=max(signed + integer + fraction, 1), integer=signed + integer, signed=bool(signed)
    )


def write(
    module: str,
    inputs: Sequence[FVariable],
    outputs: Sequence[FVariable],
    directory: Path,
    *,
    element: FixedPoint,
    selects: Sequence[FVariable] = (),
    clock_period_ns: float,
) -> Lane:
    """Write a lane: module `module` with ports clk, x, select (if there are any), y.

    Args:
        module: its name, unique in the core.
        inputs: elements of x.
        outputs: elements of y, in their common format.
        directory: for the modules.
        element: format of the inputs.
        selects: additional one-bit inputs.
        clock_period_ns: determines the length of the pipeline's stages.
    """
    logic = optimise(program(as_vector([*inputs, *selects]), as_vector(outputs)))
    inner = f"{module}_pipeline"
    with tempfile.TemporaryDirectory() as scratch:
        design = verilog.write_pipeline(
            logic, inner, Path(scratch), clock_period_ns=clock_period_ns
        )
        _collect(Path(scratch), inner, directory)
    result = common_format(outputs)
    ports = {"x": [(element.width, element.fraction)] * len(inputs)}
    if selects:
        ports["select"] = [(1, 0)] * len(selects)
    answer = ("y", [(result.width, result.fraction)] * len(outputs))
    text = verilog.wrapper(module, inner, logic, ports, answer)
    (directory / f"{module}.v").write_text(text, encoding="utf-8")
    return Lane(
        module=module,
        format=result,
        latency=design.latency_cycles,
        luts=int(logic.cost) + verilog.table_luts(logic),
    )


def _collect(source: Path, inner: str, directory: Path) -> None:
    """Copy alkaid's modules under names that are unique in the core."""
    for path in source.glob("*.v"):
        text = path.read_text(encoding="utf-8")
        if path.stem == f"{inner}_tables":
            # Tables are named by their content, so equal names are equal tables.
            for table in _TABLE.finditer(text):
                lines = f"`timescale 1 ns / 1 ps\n\n{table[0]}\n"
                (directory / f"{table[1]}.v").write_text(lines, encoding="utf-8")
            continue
        name = _STAGE.sub(rf"{inner}_logic\1", path.stem)
        text = _STAGE.sub(rf"{inner}_logic\1", text)
        (directory / f"{name}.v").write_text(text, encoding="utf-8")
