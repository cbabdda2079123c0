"""Records of a design: converted, synthesized, implemented."""

from typing import Literal, Self

from pydantic import Field

from board.kinds import board_kinds
from tasks.core.records.base import Cycles, Entry, Record, Target, ToolchainName, WordFormat
from tasks.core.records.settings import ConvertSettings


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

    @classmethod
    def of_part(cls, board_kind: str) -> Self:
        """Return what the part of a board kind has."""
        return cls.model_validate(board_kinds()[board_kind].resources, from_attributes=True)


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
