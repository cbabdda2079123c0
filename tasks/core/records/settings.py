"""What people choose for a run."""

from typing import Annotated, Literal

from pydantic import Field

from board.kinds import board_kinds
from tasks.core.records.base import Settings, WordFormat


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
