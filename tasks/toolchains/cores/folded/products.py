"""Builds Dense layers and convolutions: a matrix-vector unit with its weights in memory."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from alkaid.trace import FVariable
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats, linear, pooling
from tasks.toolchains.cores.folded import memory, plan, timing
from tasks.toolchains.cores.folded.arithmetic import Matrix, Sums, sums
from tasks.toolchains.cores.folded.design import Design, Products
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
    lanes_behind(design, node, result)


def depthwise(design: Design, node: Node) -> None:
    """Build a convolution in which each channel has its own filter."""
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
    lanes_behind(design, node, result)


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
    """Add the unit that multiplies, and the memory of its weights; return the stream of sums.

    Grouped, each beat has its own result; otherwise those of a vector follow its last beat.
    """
    link, result = _timed(design, link, fold, decided.format, grouped=grouped)
    used = min(design.dsps.get(node.name, 0), fold.multipliers)
    parameters: dict[str, Any] = {
        "SIMD": fold.simd,
        "PE": fold.pe,
        "SF": fold.sf,
        "NF": fold.nf,
        "GROUPED": int(grouped),
        "XW": link.format.width,
        "X_SIGNED": int(link.format.signed),
        "WW": decided.weight.width,
        "CUT": decided.cut,
        "ROUND": int(decided.nearest),
        "AW": decided.format.width,
        "DSPS": used,
    }
    wires = _memory(design, fold, decided, words)
    design.netlist.between("matvec", parameters, link, result, wires)
    # Of constant words, products with constants are left, and no memory.
    multipliers = 0 if memory.is_constant(words) else fold.multipliers
    bits, kept = memory.kept_bits(words, decided)
    in_blocks = memory.in_blocks(len(words))

    def unit(dsps: int) -> int:
        computed = plan.products_luts(link.format, int(bits[dsps:].sum()))
        return computed + plan.sum_luts(fold, decided, dsps) + (0 if in_blocks else kept)

    each = plan.products_luts(link.format, decided.weight.width)
    fitting = multipliers if plan.fits_dsp(link.format, decided.weight.width) else 0
    design.products[node.name] = Products(fitting, each, unit, len(design.layers))
    design.note(
        node.name,
        f"{fold.pe} x {fold.simd}",
        fold.clocks,
        multipliers=multipliers,
        lut=unit(used),
        dsp=used,
        bram=memory.blocks(len(words), kept) if in_blocks else 0.0,
    )
    return result


def _timed(
    design: Design, link: Link, fold: Fold, element: FixedPoint, *, grouped: bool
) -> tuple[Link, Link]:
    """Return the streams into a matrix-vector unit, queued if necessary, and out of it."""
    results = 1 if grouped else fold.nf
    accepted = timing.taken(design.offered(link), results)
    if grouped:
        last = accepted.reshape(-1, fold.sf, fold.nf)[:, -1].ravel()
    else:
        last = accepted[fold.sf - 1 :: fold.sf]
    latency = 3 + (fold.simd - 1).bit_length()
    result = design.netlist.link(element, fold.pe, fold.nf, fold.pe)
    design.offer(result, np.add.outer(last + latency, np.arange(results)).ravel())
    return design.ahead_of(link, accepted), result


def _memory(design: Design, fold: Fold, decided: Sums, words: Matrix) -> dict[str, str]:
    """Add the memory of the weights and biases; return its ports and the wires at them."""
    module = design.module("weights")
    if design.directory is not None:
        biases = memory.places(decided.bias, fold)
        memory.write(module, words, biases, decided, design.directory)
    widths = {
        "weights_enable": 1,
        "weights_address": max((len(words) - 1).bit_length(), 1),
        "weights": words.shape[1] * decided.weight.width,
        "biases_address": max((fold.nf - 1).bit_length(), 1),
        "biases": fold.pe * decided.format.width,
    }
    wires = {name: design.netlist.wire(width, name) for name, width in widths.items()}
    design.netlist.instance(module, {}, {"clk": "clk", **wires})
    return wires


def global_average(design: Design, node: Node) -> None:
    """Build GlobalPooling of means: the sum of all pixels, then one division for each channel."""
    channels = node.inputs[0].shape[-1]
    pixels = node.inputs[0].size // channels
    link = design.pixels(node, pixels)
    par, groups = link.par, channels // link.par
    decided = sums(node, link.format, np.ones((pixels, channels)), np.zeros(channels))
    fold = Fold(1, par, pixels, groups, pixels * groups, par)
    result = _matvec(
        design, node, link, fold, decided, np.ones((pixels * groups, par)), grouped=True
    )
    result = replace(result, row=channels, rows=1)
    accum = node.format("accum_t")

    def mean(x: Sequence[FVariable]) -> FVariable:
        return pooling.divide(formats.cast_one(x[0], accum), pixels, accum)

    lanes_behind(design, node, result, mean)


def _bias(node: Node, vectors: int, n_out: int) -> Matrix:
    """Return the bias of each output, which must be the same for all vectors."""
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
    """Return the order of a vector's elements, padded with -1 to whole beats."""
    return np.concatenate([order, np.full(-len(order) % simd, -1)])


def _window_order(pixels: int, channels: int, fold: Fold) -> Order:
    """Return the order in which a window's elements arrive: one group of channels after another."""
    numbers = np.arange(pixels * channels).reshape(pixels, channels // fold.par, fold.par)
    groups = numbers.transpose(1, 0, 2).reshape(channels // fold.par, -1)
    return np.concatenate([_padded(group, fold.simd) for group in groups])
