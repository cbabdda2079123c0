"""Finds where a converted model departs from the framework: overflows, and the first layer."""

import ctypes
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion import formats
from tasks.conversion.csim import CSimulation
from tasks.conversion.dataset import chunks
from tasks.conversion.elements import fixed_point, plain
from tasks.core.records.design import FixedPoint
from tasks.core.records.quality import Overflow

Array = npt.NDArray[np.float64]

# A layer departs from this RMSE on, as a share of its spread; rounding to few bits stays below.
DEPARTS = 0.05


def overflows(graph: Any, reference: Mapping[str, Array]) -> tuple[Overflow, ...]:
    """Return the layers whose values wrap around, judged by the framework's values.

    Sums of products wrap harmlessly if their result fits; those of averages do not.

    Args:
        graph: hls4ml's ModelGraph.
        reference: the framework's outputs by layer.
    """
    found = []
    for node in graph.get_layers():
        if node.name not in reference:
            continue
        values, variable = reference[node.name], "result"
        precision = plain(node.get_output_variable().type.precision)
        if str(node.class_name).startswith("GlobalPooling") and _averages(node):
            pixels = math.prod(node.get_input_variable().shape) // int(node.get_attr("n_filt"))
            values, variable = values * pixels, "accum"
            precision = plain(node.get_attr("accum_t").precision)
        kept = fixed_point(precision)
        if kept is None or kept.saturation != "WRAP":
            continue
        if count := outside(values, kept):
            found.append(
                Overflow(
                    layer=node.name,
                    variable=variable,
                    share=count / values.size,
                    low=float(values.min()),
                    high=float(values.max()),
                    element=kept.text,
                )
            )
    return tuple(found)


def outside(values: npt.NDArray[np.floating], kept: FixedPoint) -> int:
    """Return how many values are outside a format's range, even after rounding."""
    step = 2.0**-kept.fraction
    return sum(
        int(((values[part] < kept.low - step) | (values[part] >= kept.high + step)).sum())
        for part in chunks(values)
    )


def _averages(node: Any) -> bool:
    return str(node.get_attr("pool_op", "")).lower() == "average"


def first_departing(
    graph: Any, reference: Mapping[str, Array], sample: npt.NDArray[np.float32], scratch: Path
) -> str:
    """Return a sentence about the first layer whose C simulation departs; empty for none.

    Args:
        graph: hls4ml's ModelGraph; its project is not changed.
        reference: the framework's outputs by layer.
        sample: the corresponding inputs.
        scratch: an empty directory.
    """
    for node, simulated in _traced(graph, sample, scratch):
        expected = reference.get(node.name)
        if expected is None or expected.size != simulated.size:
            continue
        expected = expected.reshape(len(expected), -1)
        # Over the samples, as in the gates: elements that differ from each other tell nothing.
        varying = math.sqrt(float(expected.var(axis=0).mean()))
        spread = varying or float(np.abs(expected).max()) or 1.0
        error = math.sqrt(float(np.mean((simulated.reshape(expected.shape) - expected) ** 2)))
        if error > DEPARTS * spread:
            return _told(graph, node, reference, error / spread)
    return ""


def _told(graph: Any, node: Any, reference: Mapping[str, Array], error: float) -> str:
    values = reference[node.name]
    text = (
        f"the first layer that departs is {node.name}: it is off by {error:.0%} of the spread of "
        f"its values, {values.min():.4g} to {values.max():.4g}"
    )
    kept = fixed_point(plain(node.get_output_variable().type.precision))
    if kept is not None:
        text += f"; its result is {kept.text}"
    if beyond := formats.beyond_table(graph, node, reference):
        return f"{text}; {beyond}"
    settings = formats.choose(graph, reference).get(node.name, {})
    better = {f"{node.name}.{key}": each for key, each in settings.get("Precision", {}).items()}
    better |= {
        f"{node.name}.{key.removesuffix('_t')}": each
        for key, each in settings.items()
        if key.endswith("_t")
    }
    if better:
        text += "; try layer_precision " + ", ".join(
            f"{key}={each}" for key, each in better.items()
        )
    return text


def _traced(graph: Any, sample: npt.NDArray[np.float32], scratch: Path) -> list[tuple[Any, Array]]:
    """Return each layer with its outputs in the C simulation, by hls4ml's trace."""
    layers = [node for node in graph.get_layers() if node.get_attr("function_cpp")]
    directory = graph.config.config["OutputDir"]
    for node in layers:
        node.set_attr("trace", True)
    graph.config.trace_output = True
    graph.config.config["OutputDir"] = str(scratch)
    try:
        graph.write()
        simulation = CSimulation(graph, scratch, scratch / "g++.log")
        found = _collect(simulation, layers, sample)
    finally:
        graph.config.trace_output = False
        graph.config.config["OutputDir"] = directory
        for node in layers:
            node.set_attr("trace", False)
    return [(node, found[node.name]) for node in layers if node.name in found]


class _TraceData(ctypes.Structure):
    """The struct as declared in hls4ml's bridge."""

    _fields_ = (("name", ctypes.c_char_p), ("data", ctypes.c_void_p))


def _collect(
    simulation: CSimulation, layers: list[Any], sample: npt.NDArray[np.float32]
) -> dict[str, Array]:
    sizes = {node.name: int(node.get_output_variable().size()) for node in layers}
    rows: dict[str, list[Array]] = {name: [] for name in sizes}
    library = simulation.library
    library.allocate_trace_storage(ctypes.c_size_t(ctypes.sizeof(ctypes.c_float)))
    try:
        for one in sample:
            simulation(one[None])
            traces = (_TraceData * sum(len(node.get_variables()) for node in layers))()
            library.collect_trace_output(traces)
            for trace in traces:
                name = trace.name.decode() if trace.name else ""
                if name in sizes:
                    data = ctypes.cast(trace.data, ctypes.POINTER(ctypes.c_float))
                    values = np.ctypeslib.as_array(data, shape=(sizes[name],))
                    rows[name].append(values.astype(np.float64))
    finally:
        library.free_trace_storage()
    return {name: np.array(each) for name, each in rows.items() if each}
