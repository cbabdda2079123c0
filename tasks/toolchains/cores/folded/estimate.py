"""Estimates the resources of a folded core, layer by layer, without any tool."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from tasks.core.layer_table import aligned
from tasks.core.records.design import LayerEstimate, Resources, Stream
from tasks.core.records.settings import ConvertSettings
from tasks.toolchains.cores.folded import build
from tasks.toolchains.cores.folded.plan import Target
from tasks.toolchains.cores.graph import Graph

SHARE = 0.75
"""Share of the part's DSP blocks for products: full columns are slow to place and route."""

LITTLE = 0.1
"""Share of the multipliers that is not worth twice the interval."""

LONGEST = 1024
"""Up to this multiple of the requested interval, a core that fits is searched for."""


@dataclass(frozen=True)
class FoldedEstimate:
    """Estimate of a folded core.

    Attributes:
        target: what it is folded for.
        layers: estimate for each layer.
    """

    target: Target
    layers: tuple[LayerEstimate, ...]

    @property
    def asked(self) -> int:
        """The requested clocks per sample."""
        return self.target.interval

    @property
    def interval(self) -> int:
        """Clocks per sample: those of the slowest layer, but at least the stream's."""
        return max(self.target.stream, *(layer.clocks for layer in self.layers))

    @property
    def limiting(self) -> str:
        """The layer that takes the most clocks, or `stream`."""
        slowest = max(self.layers, key=lambda layer: layer.clocks)
        return slowest.layer or slowest.fold if slowest.clocks > self.target.stream else "stream"

    @property
    def resources(self) -> Resources:
        """Sum over all layers; flip-flops are not estimated."""
        return Resources(
            lut=sum(layer.lut for layer in self.layers),
            ff=0,
            dsp=sum(layer.dsp for layer in self.layers),
            bram_36k=sum(layer.bram_36k for layer in self.layers),
        )

    @property
    def luts_by_layer(self) -> dict[str, int]:
        """LUTs of each layer, including the queues and converters that follow it."""
        found: dict[str, int] = {}
        name = "input"
        for layer in self.layers:
            name = layer.layer.split("+")[0] or name
            found[name] = found.get(name, 0) + layer.lut
        return found

    def table(self, available: Resources) -> list[str]:
        """Return the layers, their folds and their shares of the part as the lines of a table."""
        head = ("layer", "fold", "clocks", "multipliers", "LUT", "DSP", "BRAM", "share")
        rows: list[tuple[str, ...]] = [head]
        for layer in self.layers:
            own = Resources(lut=layer.lut, ff=0, dsp=layer.dsp, bram_36k=layer.bram_36k)
            rows.append(
                (
                    layer.layer,
                    layer.fold,
                    str(layer.clocks),
                    str(layer.multipliers or ""),
                    str(layer.lut),
                    str(layer.dsp or ""),
                    f"{layer.bram_36k:g}" if layer.bram_36k else "",
                    f"{max(shares(own, available).values()):.1%}",
                )
            )
        whole = self.resources
        share = max(shares(whole, available).values())
        rows.append(
            ("all (estimated)", f"limited by {self.limiting}", str(self.interval), "",
             str(whole.lut), str(whole.dsp), f"{whole.bram_36k:g}", f"{share:.1%}")
        )  # fmt: skip
        return aligned(rows)


def estimate(
    graph: Graph, settings: ConvertSettings, given: Stream, answered: Stream, available: Resources
) -> FoldedEstimate:
    """Estimate the folded core of a converted model.

    Args:
        graph: the model.
        settings: of its conversion.
        given: the stream in.
        answered: the stream out.
        available: primitives of the part.

    Raises:
        UnsupportedModelError: a folded core cannot compute a layer exactly.
    """
    stream = max(given.words_per_sample, answered.words_per_sample)
    target = Target(
        interval=settings.interval_cycles or stream,
        stream=stream,
        words_in=given.elements_per_word,
        words_out=answered.elements_per_word,
        clocks_in=_clocks_each(given),
        clocks_out=_clocks_each(answered),
        dsps=int(available.dsp * SHARE),
        clock_period_ns=settings.clock_period_ns,
    )
    return FoldedEstimate(target, tuple(build.estimate(graph, target)))


def curve(
    graph: Graph, settings: ConvertSettings, given: Stream, answered: Stream, available: Resources
) -> Iterator[FoldedEstimate]:
    """Yield estimates at the requested interval, twice that, and so on.

    They end when no multipliers are saved, or few and the core fits or comes no nearer to it.
    """
    asked = settings.interval_cycles or max(given.words_per_sample, answered.words_per_sample)
    fewest, factor, least = 0, 1, inf
    while factor <= LONGEST:
        longer = settings.model_copy(update={"interval_cycles": asked * factor})
        found = estimate(graph, longer, given, answered, available)
        multipliers = sum(layer.multipliers for layer in found.layers)
        share = max(shares(found.resources, available).values())
        saved = (fewest - multipliers) / fewest if fewest else 1.0
        if saved <= (LITTLE if least <= max(share, 1.0) else 0):
            return
        yield found
        least = min(share, least)
        fewest, factor = multipliers, factor * 2


def _clocks_each(stream: Stream) -> int:
    return max(stream.words_per_sample * stream.elements_per_word // stream.size, 1)


def shares(used: Resources, available: Resources) -> dict[str, float]:
    """Return the used share of each resource of the part."""
    pairs = {
        "LUT": (used.lut, available.lut),
        "DSP": (used.dsp, available.dsp),
        "BRAM": (used.bram_36k, available.bram_36k),
    }
    return {name: mine / has if has else float(mine > 0) for name, (mine, has) in pairs.items()}


def shortfall(used: Resources, available: Resources) -> str:
    """Return which resource of the part is exceeded; empty if the design fits."""
    share, name = max((share, name) for name, share in shares(used, available).items())
    if share <= 1:
        return ""
    return f"it takes {share:.0%} of the part's {name}"
