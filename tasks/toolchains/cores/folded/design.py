"""A folded core under construction: streams with their timing, and the estimate for each layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import gcd
from pathlib import Path

import numpy as np

from tasks.core.records.design import FixedPoint, LayerEstimate
from tasks.toolchains.cores import formats
from tasks.toolchains.cores.folded import memory, plan, timing
from tasks.toolchains.cores.folded.netlist import Link, Netlist
from tasks.toolchains.cores.folded.plan import Target
from tasks.toolchains.cores.folded.timing import Clocks
from tasks.toolchains.cores.graph import Graph, Node

ELEMENTWISE = frozenset(
    (
        "Activation",
        "ApplyAlpha",
        "BatchNormalization",
        "FixedPointQuantizer",
        "HardActivation",
        "PReLU",
        "ParametrizedActivation",
        "UnaryLUT",
    )
)
SAME_ORDER = frozenset(("Repack", "Reshape"))


@dataclass(frozen=True)
class Products:
    """Products of a layer, which DSP blocks or LUTs compute.

    Attributes:
        count: that DSP blocks could compute at once.
        lut: that each takes without a DSP block.
        unit: LUTs of the layer's unit with so many DSP blocks.
        row: of its estimate.
    """

    count: int
    lut: int
    unit: Callable[[int], int]
    row: int


class Design:
    """A folded core under construction: the streams of its tensors, and the modules between them.

    Args:
        graph: the converted model.
        target: what to build for.
        directory: for the modules; None to only estimate, without tracing.
        dsps: products of each layer that go into DSP blocks.

    Attributes:
        layers: estimate for each layer.
        products: of each layer.
        done: layers that were built together with an earlier one.
    """

    def __init__(
        self, graph: Graph, target: Target, directory: Path | None, dsps: dict[str, int]
    ) -> None:
        self.graph, self.target, self.directory, self.dsps = graph, target, directory, dsps
        self.netlist = Netlist()
        self.layers: list[LayerEstimate] = []
        self.products: dict[str, Products] = {}
        self.done: set[str] = set()
        self._streams: dict[str, list[Link]] = {}
        self._offered: dict[str, Clocks] = {}
        self._room: dict[str, int] = {}
        self._readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for tensor in node.inputs:
                self._readers.setdefault(tensor.name, []).append(node)

    def module(self, kind: str) -> str:
        """Return a name that no other module of the core has."""
        self.netlist.names += 1
        return f"{kind}_{self.netlist.names}"

    def note(
        self,
        layer: str,
        fold: str,
        clocks: int,
        *,
        multipliers: int = 0,
        lut: int = 0,
        dsp: int = 0,
        bram: float = 0.0,
    ) -> None:
        """Record the estimate for a part of the core; no layer: it belongs to the previous one."""
        self.layers.append(
            LayerEstimate(
                layer=layer,
                fold=fold,
                clocks=clocks,
                multipliers=multipliers,
                lut=lut,
                dsp=dsp,
                bram_36k=bram,
            )
        )
        self.netlist.unit = len(self.layers)

    # Tensors.

    def write(self, tensor: str, link: Link) -> None:
        """Assign a stream to a tensor; if several layers read it, each gets a copy."""
        readers = len(self._readers.get(tensor, [])) + (tensor == self.graph.output.name)
        if readers <= 1:
            self._streams[tensor] = [link]
            return
        self._streams[tensor] = self.fork(link, readers)

    def fork(self, link: Link, readers: int) -> list[Link]:
        """Return copies of a stream for several readers."""
        copies = [self.netlist.like(link) for _ in range(readers)]
        self.netlist.fork(link, copies)
        for copy in copies:
            self.netlist.assign(f"{copy.name}_data", f"{link.name}_data")
            self.alike(copy, link)
        return copies

    def read(self, tensor: str) -> Link:
        """Return the stream of a tensor, for one reader."""
        return self._streams[tensor].pop()

    def follower(self, node: Node) -> Node | None:
        """Return the elementwise layer that alone reads a layer's output, if there is one."""
        if node.output.name == self.graph.output.name:
            return None
        readers = self._readers.get(node.output.name, [])
        return readers[0] if len(readers) == 1 and readers[0].kind in ELEMENTWISE else None

    def narrowed(self, link: Link, tensor: str) -> Link:
        """Return a stream with at most as many elements per beat as a tensor's reader takes."""
        wanted, each = self._wanted(tensor)
        return self.resize(link, wanted, each) if wanted and wanted < link.par else link

    def _wanted(self, tensor: str) -> tuple[int, int]:
        """Return the elements per beat that a tensor's reader takes, 0 for any, and its clocks."""
        if tensor == self.graph.output.name:
            return self.target.words_out, self.target.clocks_out
        node = self._readers[tensor][0]
        if node.kind in plan.DENSE:
            fold = plan.fold_of(node, self.target)
            return fold.simd, fold.nf
        if node.kind in plan.CONVOLUTION:
            return plan.fold_of(node, self.target).par, 1
        if node.kind in ELEMENTWISE | SAME_ORDER:
            return self._wanted(node.output.name)
        return 0, 1

    # Times.

    def offer(self, link: Link, times: Clocks, room: int = 0) -> Link:
        """Record when a stream's beats are offered, and how many can wait at its source."""
        self._offered[link.name] = times
        self._room[link.name] = room
        return link

    def offered(self, link: Link) -> Clocks:
        """Return when a stream's beats are offered."""
        return self._offered[link.name]

    def forget_times(self) -> None:
        """Drop the times of streams that were read: those of large images take 100 MB each."""
        waiting = [link.name for links in self._streams.values() for link in links]
        self._offered = {name: self._offered[name] for name in waiting}

    def alike(self, link: Link, source: Link, latency: int = 0) -> Link:
        """Record that a stream's beats follow those of another one with a latency."""
        return self.offer(link, self._offered[source.name] + latency, self._room[source.name])

    def ahead_of(self, link: Link, accepted: Clocks) -> Link:
        """Return the stream, behind a queue if it would stall its source otherwise.

        Args:
            link: the stream.
            accepted: when its beats are taken.
        """
        offered = self._offered[link.name]
        if timing.suffices(self._room[link.name], offered, accepted):
            return link
        return self.queue(link, accepted)

    # Streams.

    def view(self, link: Link, row: int) -> Link:
        """Return the same elements in rows of another length."""
        if link.row == row:
            return link
        size, par = link.row * link.rows, link.par
        if link.rows > 1 and link.row % par:
            par = gcd(par, link.row)
        if row != size and row % par:
            par = gcd(par, row)
        link = self.resize(link, par)
        return replace(link, row=row, rows=size // row)

    def resize(self, link: Link, par: int, each: int = 1) -> Link:
        """Return the stream with `par` elements per beat, for a layer that takes `each` clocks."""
        if link.par == par:
            return link
        if (narrow := plan.meeting_width(link.row, link.par, par)) not in {link.par, par}:
            gathered = -(-link.row // narrow) / -(-link.row // par)
            return self.resize(self.resize(link, narrow, max(int(each / gathered), 1)), par)
        result = self.netlist.link(link.format, link.row, link.rows, par)
        given, answered = link.beats // link.rows, result.beats // link.rows
        if answered > given:
            # Beats out of each beat in: the last of a row may make fewer.
            parts = np.full(given, -(-link.par // par))
            parts[-1] = answered - parts[:-1].sum()
            rows = len(self.offered(link)) // given
            accepted = timing.taken(self.offered(link), np.tile(parts * each, rows))
            link = self.ahead_of(link, accepted)
            repeated = np.tile(parts, rows)
            place = np.arange(repeated.sum()) - np.repeat(np.cumsum(repeated) - repeated, repeated)
            self.offer(result, np.repeat(accepted, repeated) + 1 + place * each)
        else:
            last = np.minimum(np.arange(1, answered + 1) * -(-par // link.par), given) - 1
            times = self.offered(link).reshape(-1, given)[:, last].ravel()
            self.offer(result, times + (answered < given))
        parameters = {"N": link.row, "W": link.format.width, "A": link.par, "B": par}
        self.netlist.between("stream_resize", parameters, link, result)
        shifted = min(link.par, link.row) * link.format.width if par < link.par else 0
        self.note(
            "",
            f"{link.par} to {par} a clock",
            max(link.beats, result.beats),
            lut=plan.CONTROL_LUTS + shifted,
        )
        return result

    def pixels(self, node: Node, beats: int) -> Link:
        """Return a layer's input in groups of as few channels of a pixel as keep the interval.

        Args:
            node: the layer.
            beats: beats that it would take with all channels of a pixel at a time.
        """
        channels = node.inputs[0].shape[-1]
        par = plan.channels_of(channels, beats, self.target.interval)
        return self.resize(self.view(self.read(node.inputs[0].name), channels), par)

    def queue(self, link: Link, accepted: Clocks, spare: int = 0) -> Link:
        """Return the stream behind a queue.

        Args:
            link: the stream.
            accepted: when its beats are taken.
            spare: places that are left when most beats wait.
        """
        depth = 2
        while depth < spare or not timing.suffices(depth - spare, self.offered(link), accepted):
            depth *= 2
        result = self.netlist.like(link)
        self.alike(result, link, 2)
        self._room[result.name] = depth
        self.netlist.between("stream_fifo", {"W": link.bits, "DEPTH": depth}, link, result)
        blocks = memory.queue_blocks(depth, link.bits)
        luts = plan.CONTROL_LUTS if blocks else plan.queue_luts(depth, link.bits)
        self.note("", f"queue of {depth}", link.beats, lut=luts, bram=blocks)
        return result

    def reformat(self, link: Link, wanted: FixedPoint) -> Link:
        """Return the same values in a format that holds them all."""
        if bits_of(link.format) == bits_of(wanted):
            return replace(link, format=wanted)
        result = self.netlist.link(wanted, link.row, link.rows, link.par)
        width = link.format.width
        for k in range(link.par):
            value = f"{link.name}_data[{k * width} +: {width}]"
            sign = f"{link.name}_data[{(k + 1) * width - 1}]"
            self.netlist.assign(
                f"{result.name}_data[{k * wanted.width} +: {wanted.width}]",
                extended(value, sign, link.format, wanted),
            )
        self.netlist.pass_on(link, result)
        return self.alike(result, link)

    def permute(self, link: Link, order: Sequence[int]) -> Link:
        """Return the stream with the elements of each beat in another order."""
        result = self.netlist.like(link)
        width = link.format.width
        for target, source in enumerate(order):
            self.netlist.assign(
                f"{result.name}_data[{target * width} +: {width}]",
                f"{link.name}_data[{source * width} +: {width}]",
            )
        self.netlist.pass_on(link, result)
        return self.alike(result, link)


def bits_of(element: FixedPoint) -> tuple[int, int, bool]:
    """Return what defines a format's values; its modes only matter in assignments to it."""
    return element.width, element.integer, element.signed


def extended(value: str, sign: str, narrow: FixedPoint, wide: FixedPoint) -> str:
    """Return Verilog for a value of one format, extended to another that holds it."""
    below = wide.fraction - narrow.fraction
    above = wide.width - below - narrow.width
    parts = [f"{{{above}{{{sign if narrow.signed else _ZERO}}}}}"] if above > 0 else []
    parts.append(value)
    parts += [f"{below}'d0"] if below > 0 else []
    return f"{{{', '.join(parts)}}}"


def holds(wide: FixedPoint, narrow: FixedPoint) -> bool:
    """Return whether a format can represent all values of another one."""
    low, high = formats.bounds(narrow)
    least, most = formats.bounds(wide)
    return wide.fraction >= narrow.fraction and least <= low and high <= most


def common(one: FixedPoint, other: FixedPoint) -> FixedPoint:
    """Return a format that holds all values of two others."""
    signed = one.signed or other.signed
    integer = max(each.integer - each.signed for each in (one, other)) + signed
    fraction = max(one.fraction, other.fraction)
    return FixedPoint(width=max(integer + fraction, 1), integer=integer, signed=signed)


_ZERO = "1'b0"
