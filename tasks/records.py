"""What passes between the steps: one frozen record a step, each holding the one before it.

A record names its store entry and the figures a person would ask for. Files are named relative
to the entry's `files` directory, so that a step can run on another machine than the one before it.
"""

import inspect
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from board.kinds import board_kinds

StepName = Literal["convert", "synthesize", "implement", "package", "loopback"]
ToolchainName = Literal["open", "vivado"]
Target = Literal["twin", "hardware"]
WordFormat = Literal["float32", "packed"]
Rounding = Literal["TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_INF", "RND_MIN_INF", "RND_CONV"]
Saturation = Literal["WRAP", "SAT", "SAT_ZERO", "SAT_SYM"]
Cycles = Annotated[int, Field(ge=0)]


class Record(BaseModel):
    """A frozen, versioned model: what crosses a process or a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    schema_version: Literal[1] = 1


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Give a form its texts: the class's first line, and its Attributes, one a field."""
    summary, _, attributes = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    schema["description"] = summary.strip()
    for name, text in re.findall(r"^    (\w+): ((?:.|\n(?=     ))+)", attributes, re.MULTILINE):
        schema["properties"][name].setdefault("description", " ".join(text.split()))


class Settings(BaseModel):
    """What people choose: frozen, and a form of the Prefect UI with its docstring's texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_describe)


class Entry(Record):
    """The store entry that holds a step's files.

    Attributes:
        step: the step that made it; loopback: the design that checks a twin.
        digest: SHA-256 over the step's inputs, settings, tool versions and own version, as hex.
    """

    step: StepName
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class FixedPoint(Record):
    """A number format, as ap_fixed<width, integer, rounding, saturation> or ap_ufixed.

    Attributes:
        width: bits in all.
        integer: bits left of the point, the sign included; may be negative or above `width`.
        signed: two's complement or unsigned.
        rounding: what happens to bits right of the last one (ap_q_mode).
        saturation: what happens to values out of range (ap_o_mode).
    """

    width: int = Field(ge=1, le=64)
    integer: int
    signed: bool = True
    rounding: Literal[
        "TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_INF", "RND_MIN_INF", "RND_CONV"
    ] = "TRN"
    saturation: Literal["WRAP", "SAT", "SAT_ZERO", "SAT_SYM"] = "WRAP"

    @property
    def fraction(self) -> int:
        """Bits right of the point."""
        return self.width - self.integer


class Stream(Record):
    """One tensor of the model, as it crosses the AXI4-Stream.

    A 32-bit stream word holds one float32 element, or, packed, as many elements as fit, each in
    a container of 8, 16, 32 or 64 bits, the first in the low bits; a sample starts a new word.

    Attributes:
        shape: of one sample, without the batch axis.
        element: the fixed-point format inside the fabric.
        words: what a stream word holds.
    """

    shape: tuple[int, ...]
    element: FixedPoint
    words: WordFormat = "float32"

    @property
    def size(self) -> int:
        """Elements of one sample."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def container_bits(self) -> int:
        """Bits that one element takes in the stream."""
        if self.words == "float32":
            return 32
        return max(8, 1 << (self.element.width - 1).bit_length())

    @property
    def words_per_sample(self) -> int:
        """32-bit stream words of one sample."""
        return -(-self.size * self.container_bits // 32)


class ConvertSettings(Settings):
    """How hls4ml converts the model; the names are hls4ml's own.

    Attributes:
        board_kind: an entry of board/kinds.toml.
        project_name: names the top function and the output files; a C identifier.
        precision: of every layer that the model does not quantise itself, as hls4ml writes it,
            e.g. `fixed<16,6>`; `auto` lets hls4ml infer it from the model.
        layer_precision: exceptions by layer name.
        reuse_factor: multiplications per multiplier; 1 is fully parallel.
        layer_reuse_factor: exceptions by layer name.
        strategy: hls4ml's implementation strategy.
        io_type: how tensors pass between layers.
        clock_period_ns: the clock that is asked for.
        interface: of the accelerator; the boards' designs of hls4ml use axi_stream.
        words: what a stream word holds; `float32` is what hls4ml's own driver sends.
    """

    # The choices of the form; whoever builds for a kind checks whether there is one of that name.
    board_kind: str = Field(default="pynq-z2", json_schema_extra={"enum": [*board_kinds()]})
    project_name: str = "myproject"
    precision: str = "auto"
    layer_precision: dict[str, str] = Field(default_factory=dict)
    reuse_factor: int = Field(default=1, ge=1)
    layer_reuse_factor: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    strategy: Literal["Latency", "Resource"] = "Latency"
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    clock_period_ns: float = Field(default=10.0, gt=0, le=1000)
    interface: Literal["axi_stream", "axi_master", "axi_lite"] = "axi_stream"
    words: WordFormat = "float32"


class BuildSettings(Settings):
    """What toolchain vivado does beside the synthesis; the names are hls4ml's own.

    Attributes:
        csim: run the C simulation of the vendor's tool as well.
        cosim: simulate the RTL, and compare it with the C simulation.
        fifo_opt: with `cosim`: record how full the FIFOs between the layers get.
    """

    csim: bool = False
    cosim: bool = False
    fifo_opt: bool = False


class HlsProject(Record):
    """A converted model: an hls4ml project, and what it must compute.

    Files of the entry: `project/` (as hls4ml wrote it), `model.fml` (the converted graph with
    every layer's precisions, for toolchains other than vivado), `X_test.npy`, `y_test.npy`
    (one-hot or targets, in the output's shape), `y_framework.npy` (float32, the framework's
    outputs), `y_csim.npy` (float32, the hls4ml C simulation's: the golden outputs), `convert.log`.

    Attributes:
        backend: the hls4ml backend that wrote the project.
        model_name: the model file's name.
        model_digest: SHA-256 of the model file.
        samples: number of test samples.
        accuracy_framework: share of test samples classified right, or None without class labels.
        accuracy_csim: the same for the C simulation.
        max_error_csim: largest absolute difference between framework and C simulation.
    """

    entry: Entry
    settings: ConvertSettings
    backend: str
    part: str
    model_name: str
    model_digest: str
    input: Stream
    output: Stream
    samples: int
    accuracy_framework: float | None
    accuracy_csim: float | None
    max_error_csim: float
    versions: dict[str, str]


class Resources(Record):
    """Primitives of a design, or of a part."""

    lut: int
    ff: int
    dsp: int
    bram_36k: float
    carry4: int = 0
    uram: int = 0


class Utilisation(Record):
    """What a design takes of a part.

    Attributes:
        stage: where the figures come from: HLS estimate, after synthesis, after placement.
        used: by the design.
        available: on the part.
        by_module: LUTs by module, the biggest first.
    """

    stage: Literal["estimated", "synthesised", "placed"]
    used: Resources
    available: Resources
    by_module: dict[str, int] = Field(default_factory=dict)


class Synthesis(Record):
    """RTL of the model's core, or an HLS IP.

    Files of the entry with toolchain `open`: `rtl/*.v` with the top module `<project_name>_core`.

    Attributes:
        toolchain: that made it.
        latency_cycles: from a whole sample in to its result out, without stream transfer.
        interval_cycles: initiation interval of the core.
        estimate: of resources, where the tool gives one.
        estimate_is_rough: whether it may be twice what is placed in the end.
        luts_by_layer: the estimate by layer of the model, where the tool knows.
    """

    entry: Entry
    project: HlsProject
    toolchain: ToolchainName
    latency_cycles: Cycles
    interval_cycles: Cycles
    estimate: Resources | None = None
    estimate_is_rough: bool = False
    luts_by_layer: dict[str, int] = Field(default_factory=dict)
    versions: dict[str, str]


class Timing(Record):
    """Slacks after routing, in ns; negative means that timing is not met."""

    setup_slack_ns: float
    hold_slack_ns: float
    pulse_width_slack_ns: float


class Implementation(Record):
    """A design that can be loaded.

    Files of the entry: `<project_name>.bit`, `<project_name>.hwh`, `axi_stream_driver.py`
    (hls4ml's own), reports.

    Attributes:
        target: real hardware, or the twin only (no open tool writes a bitstream for the part).
        clock_mhz: the clock the design was built for.
        utilisation: of the design as it is loaded, or as far as the toolchain comes.
        synthesised: what it took before it was placed; None where the toolchain does not place.
        timing: None where the toolchain does not route.
        failed_nets: that routing left unrouted or in conflict; None where it does not route.
        power_estimate_w: of the whole chip; None where the toolchain does not estimate it.
    """

    entry: Entry
    synthesis: Synthesis
    target: Target
    part: str
    clock_mhz: float
    utilisation: Utilisation
    synthesised: Utilisation | None = None
    timing: Timing | None = None
    failed_nets: int | None = None
    power_estimate_w: float | None = None
    versions: dict[str, str]


class Gate(Record):
    """One check between two steps.

    Attributes:
        value: the figure that was checked, None where it could not be had.
        threshold: what it was held against.
        mode: whether a failure ends the flow.
    """

    name: str
    passed: bool
    value: float | None
    threshold: float | None
    mode: Literal["fail", "warn"]
    message: str


class FileDigest(Record):
    """One file of a package: SHA-256 as hex, size in bytes."""

    sha256: str
    size: int


class Provenance(Record):
    """Who built a package.

    Attributes:
        git_commit: of the repository that holds the model file; None outside of one.
        git_dirty: whether that repository had uncommitted changes.
        flow_run_id: of the Prefect flow run that built it; None outside of one.
        built: UTC, ISO 8601.
        gates: that were checked before packaging.
    """

    git_commit: str | None
    git_dirty: bool | None
    flow_run_id: str | None
    built: str
    gates: tuple[Gate, ...]


class Manifest(Record):
    """What package.tar.gz holds; the board reads it as plain JSON.

    Attributes:
        clock_mhz: that the design was built for.
        latency_cycles: of the core, without stream transfer; None where the tool did not say.
        accuracy_framework: on the test samples; None without class labels, or not known.
        accuracy_csim: the same for the C simulation.
        versions: of every tool that had a part in it.
        files: by name in the package.
        provenance: in the manifest beside the package only.
    """

    project_name: str
    target: Target
    board_kind: str
    part: str
    clock_mhz: float
    input: Stream
    output: Stream
    latency_cycles: Cycles | None = None
    interval_cycles: Cycles | None = None
    utilisation: Utilisation | None = None
    model_name: str
    model_digest: str
    samples: int
    accuracy_framework: float | None = None
    accuracy_csim: float | None = None
    settings: ConvertSettings | None = None
    versions: dict[str, str]
    files: dict[str, FileDigest] = Field(default_factory=dict)
    provenance: Provenance | None = None


class Package(Record):
    """package.tar.gz and its manifest, both files of the entry.

    Attributes:
        manifest: as beside the archive, with provenance.
        digest: SHA-256 of package.tar.gz.
        size: of package.tar.gz in bytes.
    """

    entry: Entry
    manifest: Manifest
    digest: str
    size: int


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


class MeasureSettings(Settings):
    """How the board measures.

    Attributes:
        passes: over all test samples; their outputs must agree.
        batches: sizes of the independent runs that T(N) = a + b N is fitted to.
        deadline_s: seconds after which the benchmark is stopped.
        wait_s: seconds to wait for a board that somebody else has.
    """

    passes: int = Field(default=3, ge=1)
    batches: tuple[int, ...] = (1, 4, 16, 64, 256)
    deadline_s: float = Field(default=600.0, gt=0)
    wait_s: float = Field(default=3600.0, ge=0)


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
