"""Records of a design: converted, synthesized, implemented."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field

from board.kinds import board_kinds
from tasks.core.records.base import (
    CoreName,
    Cycles,
    Entry,
    Format,
    Record,
    Rounding,
    Saturation,
    Sha256,
    Shown,
    Target,
    WordFormat,
)
from tasks.core.records.quality import OutputQuality, Overflow, Quality, Segment
from tasks.core.records.settings import ConvertSettings


class FixedPoint(Record):
    """A number format, as ap_fixed<width, integer, rounding, saturation> or ap_ufixed.

    Attributes:
        width: total number of bits.
        integer: bits left of the binary point, including the sign; may be negative or exceed
            `width`.
        signed: two's complement if true, else unsigned.
        rounding: quantisation mode (ap_q_mode).
        saturation: overflow mode (ap_o_mode).
    """

    width: int = Field(ge=1, le=64)
    integer: int
    signed: bool = True
    rounding: Rounding = "TRN"
    saturation: Saturation = "WRAP"

    @property
    def fraction(self) -> int:
        """Bits right of the binary point."""
        return self.width - self.integer

    @property
    def low(self) -> float:
        """The smallest value that it holds."""
        return -(2.0 ** (self.integer - 1)) if self.signed else 0.0

    @property
    def high(self) -> float:
        """The largest value that it holds."""
        return float(2.0 ** (self.integer - self.signed) - 2.0**-self.fraction)

    @property
    def text(self) -> str:
        """The format as people write it, with the range that it holds."""
        modes = "" if self.saturation == "WRAP" else f",{self.rounding},{self.saturation}"
        kind = "fixed" if self.signed else "ufixed"
        size = f"{self.width},{self.integer}"
        return f"{kind}<{size}{modes}>, which holds {self.low:g} to {self.high:g}"


class Stream(Record):
    """A tensor of the model as it is sent over the AXI4-Stream.

    A 32-bit stream word holds one float32 element or, if packed, as many elements as fit, each in
    a container of 8, 16, 32 or 64 bits, the first in the low bits. Each sample starts a new word.

    Attributes:
        shape: shape of one sample, without the batch axis.
        element: the fixed-point format inside the fabric.
        words: format of the stream words.
    """

    shape: tuple[int, ...]
    element: FixedPoint
    words: WordFormat = "float32"

    @property
    def size(self) -> int:
        """Number of elements in one sample."""
        return math.prod(self.shape)

    @property
    def container_bits(self) -> int:
        """Number of bits that one element takes in the stream."""
        if self.words == "float32":
            return 32
        return max(8, 1 << (self.element.width - 1).bit_length())

    @property
    def elements_per_word(self) -> int:
        """Elements that a stream word brings; 1 where an element takes a word or two."""
        return max(32 // self.container_bits, 1)

    @property
    def words_per_sample(self) -> int:
        """Number of 32-bit stream words in one sample."""
        return -(-self.size * self.container_bits // 32)


class ConvertedModel(Quality):
    """A model in the accelerator's terms, as the conversion found it and a package describes it.

    Attributes:
        model_name: name of the model file.
        model_digest: SHA-256 of the model file.
        samples: number of test samples.
        drawn_inputs: whether the samples are random inputs, for lack of test data.
        inputs: of a model of several, in the order of their elements in `input`; else none.
        outputs: the same of `output`; each is judged by itself, and the quality of the whole is
            empty.
        formats: number formats that were chosen where nobody gave them, by layer.
    """

    model_name: Shown
    model_digest: Sha256
    input: Stream
    output: Stream
    samples: int = Field(ge=1)
    drawn_inputs: bool = False
    inputs: tuple[Segment, ...] = ()
    outputs: tuple[OutputQuality, ...] = ()
    formats: dict[Shown, Format] = Field(default_factory=dict)

    @property
    def each_output(self) -> tuple[OutputQuality, ...]:
        """The outputs one by one; the only one has no name."""
        only = OutputQuality(shape=self.output.shape, **self.values_of(Quality))
        return self.outputs or (only,)


class HlsProject(ConvertedModel):
    """A converted model: an hls4ml project and its golden outputs.

    Files of the entry: `project/` (as hls4ml wrote it), `model.fml` (the converted graph with
    every layer's precision, for traced cores), `X_test.npy`, `y_test.npy` (one-hot or targets, in
    the output's shape), `y_framework.npy` (float32, the framework's outputs), `y_csim.npy`
    (float32, the golden outputs of hls4ml's C simulation), `convert.log`.

    Attributes:
        backend: the hls4ml backend that wrote the project.
        data_digest: SHA-256 of the data file; empty where there is none.
        overflows: layers whose values leave their format and wrap around.
        departure: about the first layer that departs from the framework; empty for none.
    """

    entry: Entry
    settings: ConvertSettings
    backend: str
    part: str
    data_digest: str = ""
    overflows: tuple[Overflow, ...] = ()
    departure: str = ""
    versions: dict[str, str]

    @property
    def words_per_sample(self) -> int:
        """Words of a sample, in or out, whichever are more: clocks that it takes at least."""
        return max(self.input.words_per_sample, self.output.words_per_sample)


class Resources(Record):
    """Number of primitives in a design or on a part."""

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


def resource_label(name: str) -> str:
    """Return a resource's name as people write it, such as `BRAM 36K`."""
    return name.upper().replace("_", " ")


class LayerEstimate(Record):
    """What one layer of a folded core is expected to take.

    Attributes:
        layer: its name, with those that are computed in the same lanes.
        fold: PE x SIMD, or how else it is built.
        clocks: a sample.
        multipliers: products computed at once.
        lut: estimate.
        dsp: as planned.
        bram_36k: as planned.
    """

    layer: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
    fold: Annotated[str, Field(max_length=100, pattern=r"^[\x20-\x7e]*$")]
    clocks: int
    multipliers: int = 0
    lut: int = 0
    dsp: int = 0
    bram_36k: float = 0.0


class Utilisation(Record):
    """Utilisation of a part by a design.

    Attributes:
        stage: when it was determined: HLS estimate, after synthesis, or after placement.
        used: resources that the design uses.
        available: resources that the part has.
        by_module: LUTs of each module, largest first.
        by_layer: what each of a folded core's layers takes, in the order of their estimates; the
            rest is the shell's. Empty where the tool or the core does not tell them apart.
        logic_delay_ns: estimated delay of the longest path from register to register through the
            cells alone; routing comes on top. None where it is not estimated.
    """

    stage: Literal["estimated", "synthesised", "placed"]
    used: Resources
    available: Resources
    by_module: dict[str, int] = Field(default_factory=dict)
    by_layer: tuple[Resources, ...] = ()
    logic_delay_ns: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class Synthesis(Record):
    """The model's core as RTL, or as an HLS IP.

    Files of the entry with a traced core: `rtl/*.v` with the top module `<project_name>_core`, and
    of a folded core `rtl/*.sv`.

    Attributes:
        synthesizer: the synthesizer that made it.
        core: `unrolled` takes a whole sample in any clock, `folded` elements as they come.
        layers: how each layer of a folded core is folded, and what it was expected to take.
        latency_cycles: latency of one sample through the core, without stream transfers.
        interval_cycles: initiation interval of the core.
        estimate: estimated resources, if the tool reports them.
        estimate_is_rough: whether the estimate may be as much as twice the placed design.
        luts_by_layer: estimated LUTs of each layer of the model, if the tool reports them.
    """

    entry: Entry
    project: HlsProject
    synthesizer: str
    core: CoreName = "unrolled"
    layers: tuple[LayerEstimate, ...] = ()
    latency_cycles: Cycles
    interval_cycles: Cycles
    estimate: Resources | None = None
    estimate_is_rough: bool = False
    luts_by_layer: dict[str, int] = Field(default_factory=dict)
    versions: dict[str, str]


class Timing(Record):
    """Worst slacks after routing, in ns; a negative slack means that timing is not met."""

    setup_slack_ns: float
    hold_slack_ns: float
    pulse_width_slack_ns: float


TWIN = "_twin"
"""Follows the project's name in the names of the files that a twin loads of a hardware design."""


class Implementation(Record):
    """A design that can be loaded.

    Files of the entry: `<project_name>.bit`, `<project_name>.hwh`, `axi_stream_driver.py`
    (hls4ml's own), reports; of a design for hardware, perhaps `<project_name>_twin.bit` and
    `<project_name>_twin.hwh`: the same sources, for a twin.

    Attributes:
        implementer: that made it.
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
    implementer: str
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
        value: the figure that was checked; None if it is not available.
        threshold: the limit it was compared with.
        mode: whether a failure ends the flow or only warns.
        advice: what to do about the failure; empty if the gate passed.
    """

    name: str
    passed: bool
    value: float | None
    threshold: float | None
    mode: Literal["fail", "warn"]
    message: str
    advice: str = ""
