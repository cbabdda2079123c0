"""Records of a package on a board: deployment, measurement, verdict, run."""

from typing import Literal

from pydantic import Field

from tasks.core.records.base import Record
from tasks.core.records.design import Gate
from tasks.core.records.package import Package


class Deployment(Record):
    """A package, unpacked and verified on a board.

    Attributes:
        board: the board's name.
        board_kind: as in board/kinds.toml.
        directory: absolute path on the board.
        sent_bytes: over the network; 0 when the board had it.
        seconds: that the transfer took.
    """

    package: Package
    board: str
    board_kind: str
    directory: str
    sent_bytes: int
    seconds: float


class LatencyFit(Record):
    """T(N) = a + b N over independent runs of several batch sizes N.

    Attributes:
        overhead_s: a, per call.
        per_sample_s: b.
    """

    overhead_s: float
    per_sample_s: float


class Measurement(Record):
    """What the runner measured on the board.

    Files beside it: `y_hw.npy`, `results.json` (all timings).

    Attributes:
        simulated: True on a twin: times are then fabric cycles at the clock read back.
        clock_mhz: read back from the board after loading the overlay.
        latency_s: batch 1, by percentile ("p50", "p95", "p99").
        cycles_per_sample: of the whole batch, from first word in to last word out, over samples.
        latency_cycles: first word in to first word out of one sample, by the fabric's counter;
            None where the design has no counters.
        inferences_per_s: at the clock read back.
        deterministic: whether all passes gave the same outputs.
        suspect: if samples differ from the C simulation's, the first of them are run again,
            together and one by one: with the same outputs the design is to be suspected, with
            others the board. None if none differ.
        power_w: under load, of the whole board where it can be read; None if it was not measured.
        power_by: what measured it: the board's own sensors, or an external meter.
    """

    deployment: Deployment
    simulated: bool
    clock_mhz: float
    samples: int
    latency_s: dict[str, float]
    fit: LatencyFit | None
    cycles_per_sample: float | None
    latency_cycles: int | None
    inferences_per_s: float
    deterministic: bool
    suspect: Literal["design", "board"] | None = None
    power_w: float | None
    power_by: Literal["board", "meter"] | None = None
    phases_s: dict[str, float]
    y_hw_digest: str
    directory: str
    versions: dict[str, str]


class Verdict(Record):
    """Whether the board computes what the model does."""

    measurement: Measurement
    gates: tuple[Gate, ...]
    bit_exact: int
    samples: int
    accuracy_board: float | None

    @property
    def passed(self) -> bool:
        """Whether no gate that may fail the flow has failed."""
        return all(gate.passed or gate.mode == "warn" for gate in self.gates)


class Run(Record):
    """One flow run, as the history keeps it.

    Attributes:
        flow_run_id: of Prefect.
        flow_run_name: of Prefect.
        finished: UTC, ISO 8601.
        steps_s: seconds of each step that ran; what Prefect had cached is left out.
    """

    flow_run_id: str
    flow_run_name: str
    finished: str
    verdict: Verdict
    steps_s: dict[str, float] = Field(default_factory=dict)
