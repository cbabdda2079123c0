"""Builds layers on windows of an image: line buffers, pooling, padding, cropping, resizing."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
from alkaid.trace import FVariable

from tasks.toolchains.cores import formats, pooling, shapes
from tasks.toolchains.cores.folded import lanes, memory, plan, timing
from tasks.toolchains.cores.folded.arithmetic import raw
from tasks.toolchains.cores.folded.design import Design, holds
from tasks.toolchains.cores.folded.elements import add_lanes, lanes_behind
from tasks.toolchains.cores.folded.netlist import Link
from tasks.toolchains.cores.folded.plan import Window
from tasks.toolchains.cores.graph import Node


def window(
    design: Design, node: Node, link: Link, seen: Window, *, pad: int = 0, each: int = 1
) -> Link:
    """Add a line buffer; return the window's content, one group of channels after another.

    A window of one pixel that moves over all of them only sees each group of channels by itself.

    Args:
        design: to add it to.
        node: the layer that it belongs to.
        link: pixels, one group of channels per beat.
        seen: the window.
        pad: bits of an element of the padding.
        each: clocks that the next module needs for a beat of the window.
    """
    width = link.format.width
    top, bottom, left, right = seen.around
    groups = link.row // link.par
    if seen == Window(seen.image, (1, 1)):
        return replace(link, row=link.par, rows=link.rows * groups)
    # The image keeps arriving while padding or windows take the clocks.
    accepted, emitted = timing.through_window(design.offered(link), seen.steps(groups), each)
    link = design.ahead_of(link, accepted)
    size = seen.pixels * link.par
    result = design.netlist.link(link.format, size, prod(node.output.shape[:-1]) * groups, size)
    design.offer(result, emitted)
    around = sum((pad & ((1 << width) - 1)) << k * width for k in range(link.par))
    parameters: dict[str, int | str] = {
        "W": link.bits,
        "GROUPS": groups,
        "HEIGHT": seen.image[0],
        "WIDTH": seen.image[1],
        "KH": seen.extent[0],
        "KW": seen.extent[1],
        "SH": seen.stride[0],
        "SW": seen.stride[1],
        "TOP": top,
        "BOTTOM": bottom,
        "LEFT": left,
        "RIGHT": right,
        "PAD": f"{link.bits}'h{around:x}",
    }
    design.netlist.between("window_buffer", parameters, link, result)
    line = (seen.image[1] + left + right) * groups
    rows = seen.extent[0] - 1
    blocks = rows * memory.queue_blocks(line, link.bits)
    lines = 0 if blocks else rows * plan.queue_luts(line, link.bits)
    # The pixels of a row are GROUPS beats apart: two in registers, more in shift registers of LUTs.
    columns = seen.extent[0] * (seen.extent[1] - 1)
    delays = columns * link.bits * (1 + groups // 32) if groups > 2 else 0  # noqa: PLR2004
    design.note(
        node.name,
        f"window {seen.extent[0]} x {seen.extent[1]}",
        seen.clocks(groups, groups * each),
        lut=lines + delays + 60,
        bram=blocks,
    )
    return result


def pool(design: Design, node: Node) -> None:
    """Build Pooling1D and Pooling2D, with one lane per channel of a beat."""
    channels = node.inputs[0].shape[-1]
    seen = plan.window_of(node, "pool")
    largest = node.attributes["pool_op"] == "Max"
    if any(seen.around) and not largest and not node.attributes.get("count_pad"):
        raise node.unsupported(
            "averages over fewer pixels at the border, which a folded core does not",
            "use the padding valid, or core unrolled",
        )
    link = design.view(design.read(node.inputs[0].name), channels)
    pad = 0
    if any(seen.around) and largest:
        link = design.reformat(link, node.inputs[0].format)
        pad = int(raw(np.array([pooling.padding_value(node)]), link.format)[0])
    par = plan.channels_at_a_time(seen, channels, design.target.interval)
    link = window(design, node, design.resize(link, par), seen, pad=pad)
    # From pixel by pixel to channel by channel.
    link = design.permute(link, np.arange(link.par).reshape(-1, par).T.ravel().tolist())

    def reduce(values: Sequence[FVariable]) -> FVariable:
        column = lanes.as_vector(values).reshape(-1, 1)
        result: FVariable = np.asarray(pooling.reduce(node, column, seen.pixels)).ravel()[0]
        return result

    rows = prod(node.output.shape[:-1])
    add_lanes(design, node, link, reduce, row=channels, rows=rows, par=par)


def zero_padding(design: Design, node: Node) -> None:
    """Build ZeroPadding1D and ZeroPadding2D: a window of one pixel over the larger image."""
    channels = node.inputs[0].shape[-1]
    image, sides = node.inputs[0].shape[:-1], shapes.borders(node, "pad")
    if len(sides) == 1:
        image, sides = (1, *image), [(0, 0), *sides]
    around = Window((image[0], image[1]), (1, 1), around=(*sides[0], *sides[1]))
    link = design.view(design.read(node.inputs[0].name), channels)
    par = plan.channels_at_a_time(around, channels, design.target.interval)
    link = window(design, node, design.resize(link, par), around)
    link = replace(link, row=channels, rows=prod(node.output.shape[:-1]))
    lanes_behind(design, node, link)


def global_maximum(design: Design, node: Node) -> None:
    """Build GlobalPooling of maxima, with a running maximum per channel."""
    channels = node.inputs[0].shape[-1]
    pixels = node.inputs[0].size // channels
    link = design.pixels(node, pixels)
    par, groups = link.par, channels // link.par
    accum = node.format("accum_t")
    if node.streaming and not holds(accum, link.format):
        raise node.unsupported(
            "wraps around before it compares, which a folded core does not",
            "give it the precision of its input, or use core unrolled",
        )
    offered = design.offered(link).reshape(-1, pixels, groups)
    result = design.netlist.link(link.format, channels, 1, par)
    design.offer(result, offered[:, -1].ravel() + 1)
    parameters = {
        "W": link.format.width,
        "SIGNED": int(link.format.signed),
        "PAR": par,
        "GROUPS": groups,
        "COUNT": pixels,
    }
    design.netlist.between("running_maximum", parameters, link, result)
    design.note(node.name, f"{par} at a time", pixels * groups, lut=3 * link.bits + 40)
    lanes_behind(design, node, result, lambda x: formats.cast_one(x[0], accum))


def cropping(design: Design, node: Node) -> None:
    """Build Cropping1D and Cropping2D, which drop the pixels at the borders."""
    channels = node.inputs[0].shape[-1]
    height, width = _image(node)
    sides = shapes.borders(node, "crop")
    (top, bottom), (left, right) = sides if len(sides) > 1 else ((0, 0), *sides)
    link = design.pixels(node, height * width)
    par, groups = link.par, channels // link.par
    kept = design.offered(link).reshape(-1, height, width, groups)
    kept = kept[:, top : height - bottom, left : width - right]
    result = design.netlist.link(link.format, channels, prod(node.output.shape[:-1]), par)
    design.offer(result, kept.ravel())
    parameters: dict[str, int | str] = {"W": link.bits, "GROUPS": groups}
    parameters |= {"HEIGHT": height, "WIDTH": width}
    parameters |= {"TOP": top, "BOTTOM": bottom, "LEFT": left, "RIGHT": right}
    design.netlist.between("stream_crop", parameters, link, result)
    design.note(node.name, f"{par} at a time", height * width * groups, lut=50)
    lanes_behind(design, node, result)


def resize(design: Design, node: Node) -> None:
    """Build Resize to a multiple of the size, by repeating pixels and rows."""
    channels = node.inputs[0].shape[-1]
    height, width = _image(node)
    rows, columns = ((1, *node.output.shape) if height == 1 else node.output.shape)[-3:-1]
    times = (rows // height, columns // width)
    if node.attributes.get("algorithm") != "nearest" or (rows, columns) != (
        height * times[0],
        width * times[1],
    ):
        raise node.unsupported(
            "does not repeat whole pixels", "use core unrolled, or a multiple of the size"
        )
    link = design.pixels(node, rows * columns)
    par, groups = link.par, channels // link.par
    accepted, offered = timing.repeated(design.offered(link), width, groups, times)
    link = design.ahead_of(link, accepted)
    result = design.netlist.link(link.format, channels, rows * columns, par)
    design.offer(result, offered)
    parameters = {"W": link.bits, "GROUPS": groups, "WIDTH": width}
    parameters |= {"X_TIMES": times[1], "Y_TIMES": times[0]}
    design.netlist.between("stream_repeat", parameters, link, result)
    blocks = memory.queue_blocks(width * groups, link.bits)
    luts = 0 if blocks else plan.queue_luts(width * groups, link.bits)
    clocks = rows * columns * groups
    design.note(node.name, f"{par} at a time", clocks, lut=luts + 60, bram=blocks)
    lanes_behind(design, node, result)


def _image(node: Node) -> tuple[int, int]:
    """Return height and width of the input; a line is an image of one row."""
    spaces = node.inputs[0].shape[:-1]
    return (1, spaces[0]) if len(spaces) == 1 else (spaces[0], spaces[1])
