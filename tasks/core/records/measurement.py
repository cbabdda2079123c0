"""Records of a package on a board: deployment, measurement, verdict, run."""

from typing import Literal

from pydantic import Field

from tasks.core.records.base import Entry, Record
from tasks.core.records.design import Gate
from tasks.core.records.package import Manifest, Package


class Deployment(Record):
    """A package that was unpacked and verified on a board.

    Attributes:
        board: the board's name.
        board_kind: a board kind of board/kinds.toml.
        directory: absolute path on the board.
        sent_bytes: bytes sent over the network; 0 if the board already had the package.
        seconds: duration of the transfer.
    """

    package: Package
    board: str
    board_kind: str
    directory: str
    sent_bytes: int
    seconds: float


class LatencyFit(Record):
    """The fit T(N) = a + b N over independent runs with several batch sizes N.

    Attributes:
        overhead_s: a, the overhead of a call.
        per_sample_s: b, the time per sample.
    """

    overhead_s: float
    per_sample_s: float


class Figures(Record):
    """What the runner on the board measured.

    Attributes:
        simulated: true on a twin, where times are fabric cycles at the clock read back.
        clock_mhz: fabric clock read back from the board after loading the overlay.
        latency_s: latency at batch size 1, by percentile ("p50", "p95", "p99").
        cycles_per_sample: cycles from the first word in to the last word out of the whole batch,
            divided by the number of samples.
        latency_cycles: cycles from the first word in to the first word out of one sample, counted
            in the fabric; None if the design has no counters.
        inferences_per_s: throughput at the clock read back.
        deterministic: whether all passes gave the same outputs.
        power_w: power under load, of the whole board where it can be read; None if not measured.
    """

    simulated: bool
    clock_mhz: float
    samples: int
    latency_s: dict[str, float]
    fit: LatencyFit | None
    cycles_per_sample: float | None
    latency_cycles: int | None
    inferences_per_s: float
    deterministic: bool
    power_w: float | None
    phases_s: dict[str, float]
    versions: dict[str, str]


class Measurement(Figures):
    """A measurement on a board.

    Files in its directory: `y_hw.npy`, `results.json` (all timings).

    Attributes:
        entry: the store entry of its files; None for a measurement outside the flow.
        suspect: what to suspect if samples differ from the C simulation. The first of them are
            run again, together and one by one: equal outputs point to the design, different
            outputs to the board. None if no sample differs.
        power_by: what measured the power: the board's own sensors or an external meter.
    """

    entry: Entry | None = None
    deployment: Deployment
    suspect: Literal["design", "board"] | None = None
    power_by: Literal["board", "meter"] | None = None
    y_hw_digest: str
    directory: str


class BoardOutput(Record):
    """One output as the board gave it.

    Attributes:
        name: of a model of several outputs; else empty.
        accuracy: share of correct decisions; None for values.
        rmse: root mean square error against y_test; None where only decisions count.
        max_error: largest difference from the C simulation.
    """

    name: str = ""
    accuracy: float | None = None
    rmse: float | None = None
    max_error: float


class Verdict(Record):
    """Whether the board's outputs match the model's.

    Attributes:
        outputs: of a model of several, in its order; else none. Accuracy and RMSE of the whole are
            None then.
    """

    measurement: Measurement
    gates: tuple[Gate, ...]
    bit_exact: int
    samples: int
    accuracy_board: float | None
    rmse_board: float | None = None
    max_error_board: float | None = None
    outputs: tuple[BoardOutput, ...] = ()

    @property
    def manifest(self) -> Manifest:
        """The manifest of the package that was measured."""
        return self.measurement.deployment.package.manifest

    @property
    def passed(self) -> bool:
        """Whether every gate passed, apart from those that only warn."""
        return all(gate.passed or gate.mode == "warn" for gate in self.gates)


class KeyFigures(Record):
    """The figures by which runs and points are compared.

    Attributes:
        accuracy: share of test samples that the board classifies correctly; None without labels.
        rmse: root mean square error against y_test; None where only decisions count.
        bit_exact: share of test samples that match the C simulation bit for bit.
        latency_us: median latency of one sample.
        interval_cycles: clocks from one sample to the next; None if not measured.
        inferences_per_s: throughput at the clock read back.
        clock_mhz: fabric clock read back from the board.
        simulated: whether it was measured on a twin.
    """

    accuracy: float | None
    rmse: float | None = None
    bit_exact: float
    latency_us: float | None
    interval_cycles: float | None = None
    inferences_per_s: float
    clock_mhz: float
    simulated: bool
    lut: int | None
    ff: int | None
    dsp: int | None
    bram_36k: float | None


class Run(Record):
    """A flow run, as kept in the history.

    Attributes:
        flow_run_id: Prefect's id of the flow run.
        flow_run_name: Prefect's name of the flow run.
        finished: when it ended: UTC, ISO 8601.
        rehearsal: what the design gave on a twin before it was built for the board; None without
            a dress rehearsal.
        steps_s: seconds that each step took; cached steps are left out.
    """

    flow_run_id: str
    flow_run_name: str
    finished: str
    verdict: Verdict
    rehearsal: Verdict | None = None
    steps_s: dict[str, float] = Field(default_factory=dict)

    @property
    def figures(self) -> KeyFigures:
        """The figures by which runs are compared."""
        measurement = self.verdict.measurement
        manifest = measurement.deployment.package.manifest
        used = manifest.utilisation.used if manifest.utilisation else None
        median = measurement.latency_s.get("p50")
        return KeyFigures(
            accuracy=self.verdict.accuracy_board,
            rmse=self.verdict.rmse_board,
            bit_exact=self.verdict.bit_exact / self.verdict.samples,
            latency_us=None if median is None else median * 1e6,
            interval_cycles=measurement.cycles_per_sample,
            inferences_per_s=measurement.inferences_per_s,
            clock_mhz=measurement.clock_mhz,
            simulated=measurement.simulated,
            lut=used.lut if used else None,
            ff=used.ff if used else None,
            dsp=used.dsp if used else None,
            bram_36k=used.bram_36k if used else None,
        )
