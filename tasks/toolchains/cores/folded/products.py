"""Dense layers and convolutions: weights in memory, and a matrix-vector unit that reads them."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from alkaid.trace import FVariable
from numpy.typing import NDArray

from tasks.toolchains.cores import formats, linear, pooling
from tasks.toolchains.cores.folded import memory, plan, timing
from tasks.toolchains.cores.folded.arithmetic import Matrix, Sums, sums
from tasks.toolchains.cores.folded.design import Design
from tasks.toolchains.cores.folded.elements import lanes_behind
from tasks.toolchains.cores.folded.netlist import Link
from tasks.toolchains.cores.folded.plan import Fold
from tasks.toolchains.cores.folded.windows import window
from tasks.toolchains.cores.graph import Node

Order = NDArray[np.int64]


def product(design: Design, node: Node) -> None:
    """Build a Dense layer, on a tensor of rank above 1 along its last axis, or a convolution."""
    vectors, channels, n_out = plan.matrix_of(node)
    fold = plan.fold_of(node, design.target)
    link = design.view(design.read(node.inputs[0].name), channels)
    if fold.par:
        seen = plan.window_of(node, "filt")
        weights = linear.kernel(node, seen.pixels * channels, n_out)
        each = fold.sf // (channels // fold.par) * fold.nf
        link = window(design, node, design.resize(link, fold.par), seen, each=each)
        order = _window_order(seen.pixels, channels, fold)
    else:
        weights = linear.kernel(node, channels, n_out)
        order = _padded(np.arange(channels), fold.simd)
    decided = sums(node, link.format, weights, _bias(node, vectors, n_out))
    link = design.resize(link, fold.simd, fold.nf)
    words = memory.columns(order, weights, fold)
    result = _matvec(design, node, link, fold, decided, words)
    result = replace(result, row=weights.shape[1], rows=vectors)
    lanes_behind(design, node, result, lambda x: formats.cast_one(x[0], node.output.format))


def depthwise(design: Design, node: Node) -> None:
    """Build a convolution in which each channel has a filter of its own."""
    channels = node.inputs[0].shape[-1]
    if node.integer("n_filt", channels) != channels:
        raise node.unsupported("has a depth multiplier above 1", "use a depth multiplier of 1")
    seen = plan.window_of(node, "filt")
    weights = node.weights("weight").reshape(-1, channels)
    link = design.view(design.read(node.inputs[0].name), channels)
    decided = sums(node, link.format, weights, node.weights("bias"))
    reuse = node.integer("reuse_factor", 1)
    vectors = prod(node.output.shape[:-1])
    interval = vectors * reuse if reuse > 1 else design.target.interval
    par = plan.channels_at_a_time(seen, channels, interval)
    groups = channels // par
    link = window(design, node, design.resize(link, par), seen)
    # From pixel by pixel to channel by channel.
    link = design.permute(link, np.arange(link.par).reshape(-1, par).T.ravel().tolist())
    fold = Fold(seen.pixels, par, 1, groups, seen.clocks(groups, groups), par)
    by_channel = weights.reshape(seen.pixels, groups, par).transpose(1, 2, 0)
    words = by_channel.reshape(groups, par * seen.pixels)
    result = _matvec(design, node, link, fold, decided, words, grouped=True)
    result = replace(result, row=channels, rows=vectors)
    lanes_behind(design, node, result, lambda x: formats.cast_one(x[0], node.output.format))


def _matvec(  # noqa: PLR0917 - all that the unit depends on
    design: Design,
    node: Node,
    link: Link,
    fold: Fold,
    decided: Sums,
    words: Matrix,
    *,
    grouped: bool = False,
) -> Link:
    """Add the memory of the weights and the unit that multiplies them; return its sums."""
    netlist, element, weight = design.netlist, link.format, decided.weight
    module = design.module("weights")
    if design.directory is not None:
        biases = memory.places(decided.bias, fold)
        memory.write(module, words, biases, decided, design.directory)
    result = netlist.link(decided.format, fold.pe, fold.nf, fold.pe)
    # Grouped, each beat has a result of its own; else those of a vector follow its last beat.
    results = 1 if grouped else fold.nf
    accepted = timing.taken(design.offered(link), results)
    link = design.ahead_of(link, accepted)
    if grouped:
        last = accepted.reshape(-1, fold.sf, fold.nf)[:, -1].ravel()
    else:
        last = accepted[fold.sf - 1 :: fold.sf]
    latency = 3 + (fold.simd - 1).bit_length()
    design.offer(result, np.add.outer(last + latency, np.arange(results)).ravel())
    depth, bits = words.shape[0], words.shape[1] * weight.width
    address = max((depth - 1).bit_length(), 1)
    place = max((fold.nf - 1).bit_length(), 1)
    wires = {
        "weights_enable": netlist.wire(1, "enable"),
        "weights_address": netlist.wire(address, "address"),
        "weights": netlist.wire(bits, "weights"),
        "biases_address": netlist.wire(place, "place"),
        "biases": netlist.wire(fold.pe * decided.format.width, "biases"),
    }
    ports = dict(zip(("enable", "address", "word", "place", "biases"), wires.values(), strict=True))
    netlist.instance(module, {}, {"clk": "clk", **ports})
    used = min(design.dsps.get(node.name, 0), fold.multipliers)
    parameters: dict[str, Any] = {
        "SIMD": fold.simd,
        "PE": fold.pe,
        "SF": fold.sf,
        "NF": fold.nf,
        "GROUPED": int(grouped),
        "XW": element.width,
        "X_SIGNED": int(element.signed),
        "WW": weight.width,
        "CUT": decided.cut,
        "ROUND": int(decided.nearest),
        "AW": decided.format.width,
        "DSPS": used,
    }
    netlist.between("matvec", parameters, link, result, wires)
    each, multipliers = plan.multiplier_luts(element, weight), fold.multipliers
    if memory.is_constant(words):
        multipliers = used = 0
    design.products[node.name] = (multipliers, each)
    luts = (multipliers - used) * each + plan.sum_luts(fold, decided)
    if memory.is_constant(words):
        depth = 1
    design.note(
        node.name,
        f"{fold.pe} x {fold.simd}",
        fold.clocks,
        multipliers=multipliers,
        lut=luts + memory.luts(depth, bits),
        dsp=used,
        bram=memory.blocks(depth, bits),
    )
    return result


def global_average(design: Design, node: Node) -> None:
    """Build GlobalPooling of means: the sum of all pixels, then one division for each channel."""
    channels = node.inputs[0].shape[-1]
    pixels = node.inputs[0].size // channels
    link = design.view(design.read(node.inputs[0].name), channels)
    par = plan.channels_of(channels, pixels, design.target.interval)
    link = design.resize(link, par)
    groups = channels // par
    decided = sums(node, link.format, np.ones((pixels, channels)), np.zeros(channels))
    fold = Fold(1, par, pixels, groups, pixels * groups, par)
    result = _matvec(
        design, node, link, fold, decided, np.ones((pixels * groups, par)), grouped=True
    )
    result = replace(result, row=channels, rows=1)
    accum = node.format("accum_t")

    def mean(x: Sequence[FVariable]) -> FVariable:
        total = formats.cast_one(x[0], accum)
        return formats.cast_one(pooling.divide(total, pixels, accum), node.output.format)

    lanes_behind(design, node, result, mean)


def _bias(node: Node, vectors: int, n_out: int) -> Matrix:
    """The bias of each output, the same for all vectors."""
    bias = node.weights("bias")
    if len(bias) == n_out:
        return bias
    by_vector: Matrix = bias.reshape(vectors, n_out)
    if (by_vector != by_vector[0]).any():
        raise node.unsupported(
            "has biases that differ from vector to vector, which a folded layer has not",
            "use core unrolled, or bias_axes of the last axis only",
        )
    return np.asarray(by_vector[0])


def _padded(order: Order, simd: int) -> Order:
    """The order of a vector's elements, -1 where its last beat has none."""
    return np.concatenate([order, np.full(-len(order) % simd, -1)])


def _window_order(pixels: int, channels: int, fold: Fold) -> Order:
    """The order in which a window's elements come: a group of channels after the other."""
    numbers = np.arange(pixels * channels).reshape(pixels, channels // fold.par, fold.par)
    groups = numbers.transpose(1, 0, 2).reshape(channels // fold.par, -1)
    return np.concatenate([_padded(group, fold.simd) for group in groups])
