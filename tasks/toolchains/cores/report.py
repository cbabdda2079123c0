"""The result of building a core."""

from tasks.core.records.base import CoreName, Cycles, Record
from tasks.core.records.design import LayerEstimate, Resources


class CoreReport(Record):
    """A core that was written.

    Attributes:
        core: unrolled or folded.
        latency_cycles: register stages between input and output; None for a folded core until its
            RTL has run.
        interval_cycles: clocks per sample; 1 for an unrolled core.
        samples: test samples that were checked, all of them bit-exact; a folded core is checked
            when its RTL runs.
        estimate: of the core's resources, before any synthesis.
        luts_by_layer: the estimate's LUTs; of an unrolled core apportioned by the bits that each
            layer calculates.
        layers: of a folded core, how each is folded.
    """

    core: CoreName = "unrolled"
    latency_cycles: Cycles | None
    interval_cycles: Cycles = 1
    samples: int
    estimate: Resources
    luts_by_layer: dict[str, int]
    layers: tuple[LayerEstimate, ...] = ()
