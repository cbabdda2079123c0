"""Settings that users choose for a run."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from board.kinds import board_kinds
from tasks.core.records.base import FrameworkChoice, Settings, WordFormat
from tasks.core.records.precision import canonical


def _spelt_alike(text: str) -> str:
    """Return a precision in its one spelling; what is none is refused with its place, later."""
    return canonical(text) or text


Precision = Annotated[str, AfterValidator(_spelt_alike)]


class ConvertSettings(Settings):
    """How hls4ml converts the model; the names are hls4ml's own.

    Attributes:
        board_kind: Board kind to build for.
        project_name: Name of the top function and of the output files; a C identifier. If empty,
            the model file's own name.
        precision: Precision of all layers that the model does not quantise itself, in hls4ml's
            notation, e.g. `fixed<16,6>`; `auto` chooses formats from the values that the layers
            have on the test data.
        layer_precision: Precision of individual layers, by layer name.
        reuse_factor: Multiplications per multiplier; 1 is fully parallel.
        layer_reuse_factor: Reuse factor of individual layers, by layer name.
        strategy: hls4ml's implementation strategy.
        io_type: How tensors pass between layers.
        clock_period_ns: Requested period of the fabric clock, in ns.
        framework: Front end that reads the model file; `auto` detects it from the file's content.
        target: Column of a CSV or Parquet file with the expected classes or values.
        words: Format of the stream words; hls4ml's own driver sends `float32`.
        core: Core of toolchains open and vivado: `unrolled` takes a sample in every clock; `folded`
            takes elements as they come and shares multipliers; `auto` is the smaller by estimate.
        interval_cycles: Clocks per sample that a folded core may take; 0 for the words of a sample
            in the stream. A reuse factor above 1 decides for its layer.
    """

    # The enum fills the form's menu; the steps that need the kind check that it exists.
    board_kind: str = Field(default="pynq-z2", json_schema_extra={"enum": [*board_kinds()]})
    project_name: str = ""
    precision: Precision = "auto"
    layer_precision: dict[str, Precision] = Field(default_factory=dict)
    reuse_factor: int = Field(default=1, ge=1)
    layer_reuse_factor: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    strategy: Literal["Latency", "Resource"] = "Latency"
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    clock_period_ns: float = Field(default=10.0, gt=0, le=1000)
    framework: FrameworkChoice = "auto"
    target: str = ""
    words: WordFormat = "float32"
    core: Literal["auto", "unrolled", "folded"] = "auto"
    interval_cycles: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _of_version_0_1_0(cls, given: Any) -> Any:
        """Drop what records of version 0.1.0 say of the interface: there was only one."""
        if isinstance(given, dict) and given.get("interface") == "axi_stream":
            return {name: value for name, value in given.items() if name != "interface"}
        return given


class BuildSettings(Settings):
    """Optional steps of toolchain vivado-hls; the names are hls4ml's own.

    Attributes:
        csim: Also run the vendor tool's own C simulation.
        cosim: Simulate the RTL and compare it with the C simulation.
        fifo_opt: Record how full the FIFOs between the layers get; requires `cosim`.
    """

    csim: bool = False
    cosim: bool = False
    fifo_opt: bool = False


class MeasureSettings(Settings):
    """Passes, batch sizes and time limits of a measurement.

    Attributes:
        passes: Number of passes over all test samples; their outputs must agree.
        batches: Batch sizes N of the independent runs that T(N) = a + b N is fitted to.
        deadline_s: Seconds after which the benchmark is stopped.
        wait_s: Seconds to wait for a board that is leased to somebody else.
    """

    passes: int = Field(default=3, ge=1)
    batches: tuple[int, ...] = (1, 4, 16, 64, 256)
    deadline_s: float = Field(default=600.0, gt=0)
    wait_s: float = Field(default=3600.0, ge=0)
