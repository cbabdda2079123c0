"""What building a core tells the process that asked for it."""

from typing import Literal

from tasks.core.records.base import Cycles, Record
from tasks.core.records.design import Resources


class CoreReport(Record):
    """A core that computes what the C simulation does, on every test sample.

    Attributes:
        latency_cycles: register stages between input and output.
        interval_cycles: a new sample may enter in every clock cycle.
        samples: test samples that were checked, all of them bit-exact.
        estimate: alkaid's own count of LUTs and flip-flops, before any synthesis.
        luts_by_layer: the estimate's LUTs, apportioned by the bits that each layer calculates.
        versions: of the tools that were used.
    """

    latency_cycles: Cycles
    interval_cycles: Literal[1] = 1
    samples: int
    estimate: Resources
    luts_by_layer: dict[str, int]
    versions: dict[str, str]
