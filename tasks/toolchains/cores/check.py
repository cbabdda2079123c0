"""Compares traced logic with the C simulation, and finds the layer where they differ."""

import numpy as np
from alkaid.types import CombLogic
from numpy.typing import NDArray

from tasks.conversion.dataset import chunks
from tasks.core.errors import InputError, ToolError
from tasks.toolchains.cores import formats, layers
from tasks.toolchains.cores.graph import Graph
from tasks.toolchains.cores.optimise import program


def check(
    logic: CombLogic, graph: Graph, x: NDArray[np.floating], expected: NDArray[np.floating]
) -> int:
    """Compare the traced logic with the C simulation on all samples, and return their number.

    Samples are converted a few megabytes at a time, because the arithmetic is in float64.

    Args:
        logic: the traced model.
        graph: the model that it was traced from.
        x: test samples, as the C simulation got them.
        expected: the C simulation's outputs.

    Raises:
        ToolError: an output differs.
        InputError: the shapes do not match.
    """
    if x.size != len(x) * graph.input.size or expected.size != len(x) * graph.output.size:
        raise InputError(
            f"X_test {x.shape} and y_csim {expected.shape} do not fit the model's input "
            f"{graph.input.shape} and output {graph.output.shape}",
            remedy="run the conversion again",
        )
    wrong: list[int] = []
    first: tuple[str, str] | None = None
    for part in chunks(x, expected):
        words = formats.cast_constants(x[part].reshape(len(x[part]), -1), graph.input.format)
        got = logic.predict(words).astype(np.float32)
        wanted = expected[part].reshape(got.shape).astype(np.float32)
        different = np.argwhere(got != wanted)
        wrong += [part.start + int(sample) for sample in np.unique(different[:, 0])]
        if len(different) and first is None:
            sample, element = different[0]
            departs = (
                f"first in sample {part.start + sample}, element {element}: "
                f"expected {wanted[sample, element]}, got {got[sample, element]}"
            )
            first = departs, _departure(graph, words[sample])
    if first is not None:
        departs, where = first
        raise ToolError(
            f"the traced logic differs from the C simulation on {len(wrong)} of {len(x)} samples, "
            + departs,
            where=where,
            remedy="use toolchain vivado-hls for this model, and report its layers and precisions",
        )
    return len(x)


def _departure(graph: Graph, sample: NDArray[np.float64]) -> str:
    """Return the first layer whose logic differs from its arithmetic on numbers.

    If there is none, the arithmetic itself differs from the C simulation's.
    """
    x = layers.any_input(graph)
    traced = {graph.input.name: x}
    exact = {graph.input.name: formats.like(x, sample.reshape(x.shape).astype(object))}
    for node in graph.nodes:
        if node.kind == "Input":
            continue
        for values in (traced, exact):
            result = layers.trace(node, [values[tensor.name] for tensor in node.inputs])
            values[node.output.name] = result
        got = program(x, traced[node.output.name]).predict(sample[None])[0]
        wanted = [value.low for value in np.asarray(exact[node.output.name]).ravel()]
        if got.tolist() != wanted:
            return f"layer {node.name!r} ({node.kind})"
    return "toolchain open"
