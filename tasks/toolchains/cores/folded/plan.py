"""Decides how far each layer is folded: as few multipliers as the sample interval allows."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import gcd, prod

import numpy as np

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import shapes
from tasks.toolchains.cores.folded.arithmetic import Sums
from tasks.toolchains.cores.folded.timing import Steps
from tasks.toolchains.cores.graph import Node

DENSE = frozenset(("Dense", "EinsumDense"))
CONVOLUTION = frozenset(("Conv1D", "Conv2D", "PointwiseConv1D", "PointwiseConv2D"))
DEPTHWISE = frozenset(("DepthwiseConv1D", "DepthwiseConv2D"))
POOLING = frozenset(("Pooling1D", "Pooling2D"))
GLOBAL_POOLING = frozenset(("GlobalPooling1D", "GlobalPooling2D"))

LUTS_OF_PRODUCT = 1.45
"""LUTs per bit of one factor and bit of the other."""

DSP_BITS = 9
"""Fewest bits of a product that Yosys puts into a DSP block."""

CONTROL_LUTS = 18
"""LUTs that a queue or a converter of widths takes for its handshakes and counters."""


@dataclass(frozen=True)
class Target:
    """What a core is built for.

    Attributes:
        interval: most clocks per sample, for layers without their own reuse factor.
        stream: words per sample of input or output, whichever is more.
        words_in: elements that the input stream delivers at a time.
        words_out: elements that the output stream takes at a time.
        clocks_in: clocks between two such deliveries.
        clocks_out: clocks until it takes more elements.
        dsps: DSP blocks that products may take.
        clock_period_ns: for the pipelines of the lanes.
    """

    interval: int
    stream: int
    words_in: int
    words_out: int
    clocks_in: int
    clocks_out: int
    dsps: int
    clock_period_ns: float


@dataclass(frozen=True)
class Window:
    """A window that moves over an image; a line is an image of one row.

    Attributes:
        image: height and width, without padding.
        extent: of the window, rows and columns.
        stride: its steps in rows and columns.
        around: padding above, below, left and right of the image.
    """

    image: tuple[int, int]
    extent: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    around: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def pixels(self) -> int:
        """Number of pixels in the window."""
        return self.extent[0] * self.extent[1]

    def clocks(self, groups: int, each: int) -> int:
        """Return the clocks for an image: one per pixel and group, `each` per window."""
        rows, columns = self.size
        places = [
            (size - extent) // stride + 1
            for size, extent, stride in zip(self.size, self.extent, self.stride, strict=True)
        ]
        # While the last group of a window is worked on, the pixels up to the next one pass.
        last = each // groups
        between = (self.stride[1] - 1) * groups + 1
        behind = (columns - (places[1] - 1) * self.stride[1] - 1) * groups + 1
        row = (places[1] - 1) * max(last, between) + max(last, behind) + places[1] * (each - last)
        return (rows - places[0]) * columns * groups + places[0] * row

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the image, including padding."""
        top, bottom, left, right = self.around
        return self.image[0] + top + bottom, self.image[1] + left + right

    def steps(self, groups: int) -> Steps:
        """Return how the window moves over the image, with each pixel in several groups."""
        (top, _, left, _), (rows, columns) = self.around, self.size
        places = [
            [place >= 0 and place % stride == 0 for place in range(1 - extent, size - extent + 1)]
            for size, extent, stride in zip(self.size, self.extent, self.stride, strict=True)
        ]
        inside = [
            [before <= place < before + image for place in range(size)]
            for size, before, image in zip((rows, columns), (top, left), self.image, strict=True)
        ]
        reads, emits = (np.logical_and.outer(*each).ravel() for each in (inside, places))
        return Steps(reads.repeat(groups), emits.repeat(groups))


@dataclass(frozen=True)
class Fold:
    """How a matrix-vector product is spread over time.

    Attributes:
        simd: inputs at a time.
        pe: outputs at a time.
        sf: beats of a vector.
        nf: clocks that a beat is held for.
        clocks: per sample.
        par: channels of a pixel that enter a window at a time; 0 without a window.
    """

    simd: int
    pe: int
    sf: int
    nf: int
    clocks: int
    par: int = 0

    @property
    def multipliers(self) -> int:
        """Products computed at once."""
        return self.simd * self.pe


def window_of(node: Node, name: str) -> Window:
    """Return the window of a convolution (`filt`) or pooling (`pool`)."""
    flat = len(node.inputs[0].shape) == len(("width", "channels"))
    spaces = ("width",) if flat else ("height", "width")
    dilations = (node.integer(f"dilation_{space}", node.integer("dilation", 1)) for space in spaces)
    if any(dilation > 1 for dilation in dilations):
        raise node.unsupported("is dilated", "use core unrolled, or a dilation of 1")
    extent = [node.integer(f"{name}_{space}") for space in spaces]
    stride = [node.integer(f"stride_{space}") for space in spaces]
    around = [side for pair in shapes.borders(node, "pad") for side in pair]
    image = list(node.inputs[0].shape[:-1])
    if flat:
        image, extent, stride, around = [1, *image], [1, *extent], [1, *stride], [0, 0, *around]
    return Window(
        (image[0], image[1]),
        (extent[0], extent[1]),
        (stride[0], stride[1]),
        (around[0], around[1], around[2], around[3]),
    )


def fold_of(node: Node, target: Target) -> Fold:
    """Decide how far a layer of matrix products is folded.

    Takes the fewest multipliers that keep the interval, or with a reuse factor above 1 the fewest
    that need at most so many clocks per vector; if there are none, the fastest fold.
    """
    vectors, n_in, n_out = matrix_of(node)
    reuse = node.integer("reuse_factor", 1)
    if node.kind in CONVOLUTION:
        folds = _window_folds(window_of(node, "filt"), n_in, n_out)
    else:
        folds = _dense_folds(n_in, n_out, vectors)
    if reuse > 1:
        fitting = [fold for fold in folds if fold.sf * fold.nf <= reuse]
    else:
        fitting = [fold for fold in folds if fold.clocks <= target.interval]
    if not fitting:
        return min(folds, key=lambda fold: (fold.clocks, fold.multipliers))
    return min(fitting, key=lambda fold: (fold.multipliers, fold.nf, fold.simd))


def matrix_of(node: Node) -> tuple[int, int, int]:
    """Return how many vectors a layer multiplies, their length, and that of the results.

    For a convolution, the vectors are pixels.
    """
    if node.kind == "EinsumDense":
        places, vectors, n_out = (
            node.integer(name) for name in ("n_inplace", "n_free_data", "n_free_kernel")
        )
        orders = (node.attributes[name] for name in ("inp_tpose_idxs", "out_tpose_idxs"))
        if places != 1 or any(list(order) != sorted(order) for order in orders):
            raise node.unsupported(
                "is not one Dense layer along the last axes: it moves axes, or has weights for "
                "each place",
                "use core unrolled, or an equation like abc,cd->abd",
            )
        return vectors, node.inputs[0].size // vectors, n_out
    return prod(node.output.shape[:-1]), node.inputs[0].shape[-1], node.output.shape[-1]


@lru_cache(maxsize=256)
def _dense_folds(n_in: int, n_out: int, vectors: int) -> tuple[Fold, ...]:
    return tuple(
        Fold(-(-n_in // sf), -(-n_out // nf), sf, nf, vectors * sf * nf)
        for sf in _splits(n_in)
        for nf in _splits(n_out)
    )


@lru_cache(maxsize=256)
def _window_folds(window: Window, channels: int, n_out: int) -> tuple[Fold, ...]:
    folds = []
    for par in (p for p in range(1, channels + 1) if channels % p == 0):
        groups, seen = channels // par, window.pixels * par
        for parts, nf in product(_splits(seen), _splits(n_out)):
            sf = groups * parts
            clocks = window.clocks(groups, sf * nf)
            folds.append(Fold(-(-seen // parts), -(-n_out // nf), sf, nf, clocks, par))
    return tuple(folds)


@lru_cache(maxsize=256)
def _splits(count: int) -> tuple[int, ...]:
    """Return into how many equal parts things can be split, but for the last, with none empty."""
    return tuple(parts for parts in range(1, count + 1) if -(-count // -(-count // parts)) == parts)


def channels_at_a_time(window: Window, channels: int, interval: int) -> int:
    """Return the fewest channels at a time that keep the interval and divide all channels."""
    for par in range(1, channels + 1):
        groups = channels // par
        if channels % par == 0 and window.clocks(groups, groups) <= interval:
            return par
    return channels


def channels_of(channels: int, beats: int, interval: int) -> int:
    """Return the fewest channels per beat with which so many pixels pass within the interval."""
    for par in range(1, channels + 1):
        if channels % par == 0 and channels // par * beats <= interval:
            return par
    return channels


def meeting_width(row: int, source: int, target: int) -> int:
    """Return the narrowest beat, in elements, on the way from one beat width to another."""
    narrow, wide = sorted((source, target))
    return narrow if wide >= row or wide % narrow == 0 else gcd(source, target)


def products_luts(x: FixedPoint, bits: int) -> int:
    """Estimate the LUTs of products with `bits` of weights, as Yosys maps product_tree.sv."""
    return round(LUTS_OF_PRODUCT * x.width * bits)


def fits_dsp(x: FixedPoint, bits: int) -> bool:
    """Return whether a product with so many bits of weights is worth a DSP block to Yosys."""
    return x.width + (not x.signed) + bits >= DSP_BITS


def sum_luts(fold: Fold, sums: Sums, dsps: int) -> int:
    """Estimate the LUTs of adders and accumulators, and of their control.

    Of two neighbouring products in DSP blocks, one block adds both, unless they are cut before.
    """
    going_round = (1 + fold.nf // 32) if fold.nf > 1 else 0
    paired = 0 if sums.cut else dsps // fold.simd * (fold.simd // 2) + dsps % fold.simd // 2
    adders = fold.pe * (fold.simd + going_round) - paired
    return adders * sums.format.width + 40


def queue_luts(depth: int, bits: int) -> int:
    """Estimate the LUTs of a memory with a port to write and one to read, and of its control.

    A LUT RAM of 32 words of 6 bits takes four of them.
    """
    return -(-bits // 6) * 4 * -(-depth // 32) + CONTROL_LUTS
