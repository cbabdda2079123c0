"""Builds a folded core: layers connected by streams, each folded to the sample interval."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from tasks.core.records.design import LayerEstimate
from tasks.toolchains.cores import garnet, signs
from tasks.toolchains.cores.folded import elements, graphs, plan, products, timing, windows
from tasks.toolchains.cores.folded.design import ELEMENTWISE, SAME_ORDER, Design, Products, holds
from tasks.toolchains.cores.folded.netlist import Link
from tasks.toolchains.cores.folded.plan import Target
from tasks.toolchains.cores.graph import Graph, Node

HERE = Path(__file__).resolve().parent


def same_order(design: Design, node: Node) -> None:
    """Pass on the input of a layer that keeps the order of elements."""
    link = design.read(node.inputs[0].name)
    if not holds(node.output.format, link.format):
        raise node.unsupported(
            "changes the format of the elements that it moves, which a folded core does not",
            "give it the precision of its input, or use core unrolled",
        )
    design.write(node.output.name, link)


def global_pooling(design: Design, node: Node) -> None:
    """Build GlobalPooling1D and GlobalPooling2D."""
    largest = node.attributes["pool_op"] == "Max"
    (windows.global_maximum if largest else products.global_average)(design, node)


BUILDERS: Mapping[str, Callable[[Design, Node], None]] = {
    **dict.fromkeys(plan.DENSE | plan.CONVOLUTION, products.product),
    **dict.fromkeys(plan.DEPTHWISE, products.depthwise),
    **dict.fromkeys(plan.POOLING, windows.pool),
    **dict.fromkeys(plan.GLOBAL_POOLING, global_pooling),
    **dict.fromkeys(ELEMENTWISE, elements.elementwise),
    **dict.fromkeys(SAME_ORDER, same_order),
    **dict.fromkeys(garnet.KINDS, graphs.graph),
    "Concatenate": elements.concatenate,
    "Merge": elements.merged,
    "Softmax": elements.whole_vector,
    "Cropping1D": windows.cropping,
    "Cropping2D": windows.cropping,
    "Resize": windows.resize,
    "ZeroPadding1D": windows.zero_padding,
    "ZeroPadding2D": windows.zero_padding,
}


def build(graph: Graph, project_name: str, target: Target, directory: Path) -> list[LayerEstimate]:
    """Build a folded core.

    Args:
        graph: the converted model.
        project_name: the module will be `<project_name>_core`.
        target: what to build for.
        directory: for the modules.

    Returns:
        The estimate for each layer.

    Raises:
        UnsupportedModelError: a folded core cannot compute a layer exactly.
    """
    counted = _counted(graph, target)
    pace = _pace(counted)
    dsps = _shared_out(counted.products, target.dsps)
    design = Design(graph, replace(target, stream=pace), directory, dsps)
    source, result = _connect(design, timing.SAMPLES)
    text = _module(design, project_name, source, result)
    (directory / f"{project_name}_core.v").write_text(text, encoding="utf-8")
    for path in HERE.glob("*.sv"):
        shutil.copy(path, directory)
    return design.layers


def estimate(graph: Graph, target: Target) -> list[LayerEstimate]:
    """Estimate each layer of a folded core, as `build` does, without building it."""
    outlined = _outlined(graph, replace(target, dsps=0))
    layers = list(outlined.layers)
    for name, dsps in _shared_out(outlined.products, target.dsps).items():
        products = outlined.products[name]
        changed = {"dsp": dsps, "lut": products.unit(dsps)}
        layers[products.row] = layers[products.row].model_copy(update=changed)
    return layers


@lru_cache(maxsize=16)
def _outlined(graph: Graph, target: Target) -> Design:
    """Return a core without DSP blocks, in which alone the board kinds of an estimate differ."""
    design = Design(graph, replace(target, stream=_pace(_counted(graph, target))), None, {})
    _connect(design, timing.SAMPLES)
    return design


def _counted(graph: Graph, target: Target) -> Design:
    """Return a core of which no beat is followed, for its clocks and products only."""
    design = Design(graph, target, None, {})
    _connect(design, 0)
    return design


def _pace(design: Design) -> int:
    """Return the clocks per sample, of the slowest layer or of the stream."""
    return max(design.target.stream, *(layer.clocks for layer in design.layers))


def _connect(design: Design, samples: int) -> tuple[Link, Link]:
    """Add all layers, follow some samples, and return the streams in and out."""
    graph, target = design.graph, design.target
    source = Link("in", graph.input.format, graph.input.size, 1, target.words_in)
    arriving = timing.source(source.beats, target.clocks_in, target.stream, samples)
    design.offer(source, arriving)
    design.write(graph.input.name, source)
    for node in graph.nodes:
        if node.kind == "Input" or node.name in design.done:
            continue
        if node.attributes.get("data_format") == "channels_first":
            raise node.unsupported("has its channels first", "build the model with channels last")
        if node.kind not in BUILDERS:
            raise node.unsupported("cannot be folded", "use core unrolled for this model")
        if signs.has_signs(node):
            raise node.unsupported("holds signs in one bit", "use core unrolled for this model")
        BUILDERS[node.kind](design, node)
        design.forget_times()
    result = design.view(design.read(graph.output.name), graph.output.size)
    result = design.resize(result, target.words_out, target.clocks_out)
    result = design.ahead_of(result, timing.taken(design.offered(result), target.clocks_out))
    result = design.reformat(result, graph.output.format)
    design.forget_times()
    return source, result


def _module(design: Design, project_name: str, source: Link, result: Link) -> str:
    lines = [
        f"module {project_name}_core (",
        "    input clk,",
        "    input rst_n,",
        f"    input [{source.bits - 1}:0] in_data,",
        "    input in_valid,",
        "    output in_ready,",
        f"    output [{result.bits - 1}:0] out_data,",
        "    output out_valid,",
        "    input out_ready",
        ");",
        *design.netlist.lines,
        f"    assign out_data = {result.name}_data;",
        f"    assign out_valid = {result.name}_valid;",
        f"    assign {result.name}_ready = out_ready;",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def _shared_out(products_of: dict[str, Products], dsps: int) -> dict[str, int]:
    """Give DSP blocks to the layers whose products take the most LUTs."""
    given: dict[str, int] = {}
    for name, each in sorted(products_of.items(), key=lambda item: -item[1].lut):
        given[name] = min(each.count, dsps)
        dsps -= given[name]
    return given
