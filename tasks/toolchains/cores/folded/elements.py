"""Builds elementwise layers as parallel lanes, and layers that need a whole vector."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from operator import itemgetter

import numpy as np
from alkaid.trace import FVariable

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats, layers, merge
from tasks.toolchains.cores.elementwise import PER_ELEMENT, parameters
from tasks.toolchains.cores.folded import lanes, plan, timing
from tasks.toolchains.cores.folded.design import Design, common, extended
from tasks.toolchains.cores.folded.lanes import Function, Lane
from tasks.toolchains.cores.folded.netlist import PARTS, Link
from tasks.toolchains.cores.folded.timing import Clocks
from tasks.toolchains.cores.graph import Node

logger = logging.getLogger(__name__)

MAX_VARIANTS = 24
"""Largest number of different lanes in a layer whose elements have their own parameters."""

LATENCY = 4
"""Latency that an estimate assumes for a lane and its queue, which are not traced."""

LUTS_OF_STEP = 0.75
"""LUTs per bit of a lane's input, for each further layer and each further kind of element."""

LUTS_OF_REDUCTION = 1.25
"""The same where a lane makes one element of several."""

AHEAD = 4
"""Additional depth of the queue in a branch that is ahead, for beats in a layer's pipeline."""

Variant = tuple[tuple[float, ...], ...]
"""The parameters of one element in each layer of a lane."""


@dataclass(frozen=True)
class Shape:
    """Shape of the stream that lanes produce, as in Link."""

    row: int
    rows: int
    par: int


def elementwise(design: Design, node: Node) -> None:
    """Build an elementwise layer together with the elementwise layers that follow."""
    lanes_behind(design, node, design.read(node.inputs[0].name), None)


def lanes_behind(
    design: Design, node: Node, link: Link, first: Function | None = itemgetter(0)
) -> None:
    """Add lanes after a layer's results, no more than the next layer takes at a time.

    Args:
        design: to add them to.
        node: the layer.
        link: its results.
        first: as in `add_lanes`; by default the results only get the layer's output format.
    """
    link = design.narrowed(link, node.output.name)
    add_lanes(design, node, link, first, row=link.row, rows=link.rows, par=link.par)


def merged(design: Design, node: Node) -> None:
    """Build an elementwise layer with two inputs.

    A queue holds the beats by which one branch is ahead of the other. Without it, the slower branch
    would stall their common source, possibly forever.
    """
    name = str(node.attributes["op"]).lower()
    if name not in merge.OPERATIONS or node.inputs[0].shape != node.inputs[1].shape:
        raise node.unsupported(
            f"is a {name} of tensors of the shapes {node.inputs[0].shape} and "
            f"{node.inputs[1].shape}, which a folded core does not compute",
            "use core unrolled, or tensors of one shape",
        )
    left, right = _side_by_side(design, node)
    wide = common(left.format, right.format)
    left, right = (design.reformat(each, wide) for each in (left, right))
    both = design.netlist.link(wide, left.row, left.rows, 2 * left.par)
    values = [f"{each.name}_data[{k * wide.width} +: {wide.width}]"
              for k in range(left.par) for each in (left, right)]  # fmt: skip
    _join(design, (left, right), both, values)
    operation = merge.OPERATIONS[name]

    def first(x: Sequence[FVariable]) -> FVariable:
        result: FVariable = np.asarray(
            operation(lanes.as_vector(x[:1]), lanes.as_vector(x[1:]))
        ).ravel()[0]
        return result

    add_lanes(design, node, both, first, row=left.row, rows=left.rows, par=left.par)


def concatenate(design: Design, node: Node) -> None:
    """Build a concatenation along the last axis."""
    axis = node.integer("axis")
    if axis not in {-1, len(node.output.shape)}:
        raise node.unsupported(
            "concatenates along another axis than the last, which a folded core does not",
            "use core unrolled for this model",
        )
    left, right = (
        design.view(design.read(tensor.name), tensor.shape[-1]) for tensor in node.inputs
    )
    size, rows = left.row + right.row, left.rows
    both = gcd(left.row, right.row)
    par = plan.channels_of(both, size // both * rows, design.target.interval)
    left, right = (design.resize(link, par) for link in (left, right))
    wide = common(left.format, right.format)
    left, right = (design.reformat(each, wide) for each in (left, right))
    counts = (left.row // par, right.row // par)
    arriving = (design.offered(link).reshape(-1, count)
                for link, count in zip((left, right), counts, strict=True))  # fmt: skip
    order = timing.taken(np.concatenate(list(arriving), axis=1).ravel(), 1)
    by_row = order.reshape(-1, sum(counts))
    left = _held_for(design, left, by_row[:, : counts[0]].ravel())
    right = _held_for(design, right, by_row[:, counts[0] :].ravel())
    result = design.offer(design.netlist.link(wide, size, rows, par), order)
    ports = {"clk": "clk", "rst_n": "rst_n"}
    for side, link in (("left", left), ("right", right), ("out", result)):
        ports |= {f"{side}_{part}": f"{link.name}_{part}" for part in PARTS}
    parameters = {"W": result.bits, "A": counts[0], "B": counts[1]}
    design.netlist.instance("stream_concatenate", parameters, ports)
    lanes_behind(design, node, result)


def _held_for(design: Design, link: Link, accepted: Clocks) -> Link:
    """Return a branch behind a queue for the beats by which it is ahead."""
    return design.queue(link, accepted, AHEAD)


def _side_by_side(design: Design, node: Node) -> tuple[Link, Link]:
    """Return the streams of a layer's two inputs, equally wide and behind queues."""
    links = [design.view(design.read(tensor.name), tensor.shape[-1]) for tensor in node.inputs]
    par = min(link.par for link in links)
    links = [design.resize(link, par) for link in links]
    accepted = timing.taken(np.maximum(*(design.offered(link) for link in links)), 1)
    left, right = (_held_for(design, link, accepted) for link in links)
    return left, right


def _join(design: Design, sources: tuple[Link, Link], target: Link, values: Sequence[str]) -> None:
    """Combine one beat of each stream into one."""
    netlist, (left, right) = design.netlist, sources
    design.offer(target, np.maximum(*(design.offered(source) for source in sources)))
    netlist.assign(f"{target.name}_data", f"{{{', '.join(reversed(values))}}}")
    netlist.assign(f"{target.name}_valid", f"{left.name}_valid && {right.name}_valid")
    for one, other in ((left, right), (right, left)):
        netlist.assign(f"{one.name}_ready", f"{target.name}_ready && {other.name}_valid")


def add_lanes(
    design: Design,
    node: Node,
    link: Link,
    first: Function | None,
    *,
    row: int,
    rows: int,
    par: int,
) -> None:
    """Add lanes that compute `first` and the elementwise layers that follow.

    Args:
        design: to add them to.
        node: the first layer.
        link: their input; each lane gets an equal share of a beat's elements.
        first: from these elements to the node's output before it gets its format; None if the node
            is elementwise.
        row: elements of a row of the result.
        rows: of the result.
        par: lanes.
    """
    chain, last = ([] if first else [node]), node
    while (follower := design.follower(last)) is not None:
        chain.append(follower)
        last = follower
    design.done.update(each.name for each in chain)
    names = "+".join(dict.fromkeys([node.name, *(each.name for each in chain)]))
    shape = Shape(row, rows, par)
    variants = _variants(chain, shape)
    kinds = len(set(variants))
    if kinds > MAX_VARIANTS:
        raise node.unsupported(
            f"or one computed with it has elements of {kinds} kinds, of which a folded core has "
            f"at most {MAX_VARIANTS}",
            "use core unrolled, or quantise by layer or by channel",
        )
    if design.directory is None:
        result = design.netlist.link(last.output.format, row, rows, par)
        design.alike(result, link, LATENCY)
        steps = LUTS_OF_STEP * (len(chain) + kinds - 1)
        lut = round(link.bits * (steps + (LUTS_OF_REDUCTION if link.par > par else 0)))
    else:
        logger.info("tracing %s", names)
        result, lut = _traced(design, node, link, first, chain, variants, shape)
    design.write(last.output.name, result)
    design.note(
        names,
        f"{par} lane{'' if par == 1 else 's'}",
        result.beats,
        lut=lut + plan.queue_luts(8, result.bits),
    )


def _variants(chain: Sequence[Node], shape: Shape) -> list[Variant]:
    """Return what each element's lane depends on; only for one row if all rows are equal."""
    row, size = shape.row, shape.row * shape.rows
    if not any(each.kind in PER_ELEMENT for each in chain):
        return [((),) * len(chain)] * row
    found = [parameters(each, size) for each in chain]
    by_row = (each.reshape(shape.rows, row, each.shape[1]) for each in found)
    if all((each == each[0]).all() for each in by_row):
        found = [each[:row] for each in found]
    return list(zip(*(map(tuple, each.tolist()) for each in found), strict=True))


def _traced(  # noqa: PLR0917 - all that a layer's lanes depend on
    design: Design,
    node: Node,
    link: Link,
    first: Function | None,
    chain: Sequence[Node],
    variants: list[Variant],
    shape: Shape,
) -> tuple[Link, int]:
    """Trace and write the lanes; return their output stream and their LUTs."""
    values = lanes.any_of(link.format, link.par // shape.par)

    def compute(own: Variant) -> FVariable:
        value = formats.cast_one(first(values), node.output.format) if first else values[0]
        for each, numbers in zip(chain, own, strict=True):
            value = lanes.apply(each, numbers, value)
        return value

    netlist = design.netlist
    results = {own: compute(own) for own in sorted(set(variants))}
    answer = lanes.common_format(list(results.values()))
    beats = _by_beat(variants, shape)
    places = [tuple(dict.fromkeys(beat[k] for beat in beats)) for k in range(shape.par)]
    written = {
        own: _written(design, link.format, values, [results[each] for each in own])
        for own in dict.fromkeys(places)
    }
    latency = max(lane.latency for lane in written.values())
    result = netlist.link(answer, shape.row, shape.rows, shape.par)
    output = netlist.wire(result.bits, "lanes")
    counter = netlist.counter(link, len(beats)) if any(len(own) > 1 for own in places) else ""
    width = link.bits // shape.par
    for position, own in enumerate(places):
        lane = written[own]
        y = netlist.wire(lane.format.width, "y")
        ports = {"clk": "clk", "x": f"{link.name}_data[{position * width} +: {width}]", "y": y}
        if len(own) > 1:
            words = [
                sum((beat[position] == each) << k for k, each in enumerate(own[1:]))
                for beat in beats
            ]
            ports["select"] = netlist.table(counter, words, len(own) - 1)
        netlist.instance(lane.module, {}, ports)
        y = netlist.delay(y, lane.format.width, latency - lane.latency)
        netlist.assign(
            f"{output}[{position * answer.width} +: {answer.width}]",
            extended(y, f"{y}[{lane.format.width - 1}]", lane.format, answer),
        )
    pipeline(design, link, result, output, latency)
    return result, sum(written[own].luts for own in places)


def _written(
    design: Design,
    element: FixedPoint,
    values: Sequence[FVariable],
    results: Sequence[FVariable],
) -> Lane:
    """Write a lane that gives one of several results of its values, by select bits."""
    if design.directory is None:
        raise RuntimeError("lanes are traced only where they are written")
    selects = lanes.any_of(FixedPoint(width=1, integer=1, signed=False), len(results) - 1)
    return lanes.write(
        design.module("lane"),
        values,
        [lanes.choose(selects, results)],
        design.directory,
        element=element,
        selects=selects,
        clock_period_ns=design.target.clock_period_ns,
    )


def _by_beat(variants: list[Variant], shape: Shape) -> list[list[Variant]]:
    """Return the variants of each beat's lanes; a lane without an element gets the first one."""
    beats = []
    for start in range(0, len(variants), shape.row):
        for first in range(start, start + shape.row, shape.par):
            beat = variants[first : min(first + shape.par, start + shape.row)]
            beats.append(beat + [variants[0]] * (shape.par - len(beat)))
    return beats


def pipeline(design: Design, link: Link, result: Link, output: str, latency: int) -> None:
    """Turn the output of a pipeline with a fixed latency into a stream."""
    ports = {"clk": "clk", "rst_n": "rst_n", "result": output}
    ports |= {f"in_{part}": f"{link.name}_{part}" for part in PARTS[1:]}
    ports |= {f"out_{part}": f"{result.name}_{part}" for part in PARTS}
    depth = 1 << (latency + 2).bit_length()
    design.offer(result, design.offered(link) + latency + 2, depth - latency - 2)
    parameters = {"W": result.bits, "LATENCY": latency, "DEPTH": depth}
    design.netlist.instance("stream_pipeline", parameters, ports)


def whole_vector(design: Design, node: Node) -> None:
    """Build a layer that needs all elements at once, as one unrolled pipeline."""
    size = node.output.size
    link = design.view(design.read(node.inputs[0].name), size)
    link = design.resize(link, size)
    if design.directory is None:
        result = design.netlist.link(node.output.format, size, 1, size)
        design.alike(result, link, LATENCY)
        luts = size * size * link.format.width
    else:
        logger.info("tracing %s, unrolled", node.name)
        inputs = lanes.any_of(link.format, size)
        shaped = lanes.as_vector(inputs).reshape(node.inputs[0].shape)
        lane = lanes.write(
            design.module("whole"),
            inputs,
            list(np.asarray(layers.trace(node, [shaped])).ravel()),
            design.directory,
            element=link.format,
            clock_period_ns=design.target.clock_period_ns,
        )
        result = design.netlist.link(lane.format, size, 1, size)
        output = design.netlist.wire(result.bits, "whole")
        ports = {"clk": "clk", "x": f"{link.name}_data", "y": output}
        design.netlist.instance(lane.module, {}, ports)
        pipeline(design, link, result, output, lane.latency)
        luts = lane.luts
    design.write(node.output.name, result)
    design.note(node.name, "unrolled", 1, lut=luts + plan.queue_luts(8, result.bits))
