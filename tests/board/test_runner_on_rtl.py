"""Driver and runner over the real shell: RTL around a core, compiled with Verilator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.core.records.design import FixedPoint, Stream
from tasks.hardware.bitfile import fabric_image, write_bit
from tasks.toolchains.open.image import build_fabric_image
from tasks.toolchains.shell.shell import write_design

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.board.conftest import OnBoard

FORMAT = {"width": 8, "integer": 4, "rounding": "RND", "saturation": "SAT"}
LATENCY = 3
# Gives the first three of five numbers back, three clocks later.
CORE = """
module echo_core(input clk, input [39:0] inp, output [23:0] out);
  reg [23:0] a, b, c;
  always @(posedge clk) begin a <= inp[23:0]; b <= a; c <= b; end
  assign out = c;
endmodule
"""


def test_it_measures_the_rtl_bit_by_bit(
    make_package: Callable[[int, int, str], OnBoard], tmp_path: Path
) -> None:
    on_board = make_package(5, 3, "packed")
    element = FixedPoint.model_validate(FORMAT)
    core = tmp_path / "core.v"
    core.write_text(CORE)
    design = write_design(
        [core],
        project_name="echo",
        input=Stream.model_validate({"shape": [5], "element": element, "words": "packed"}),
        output=Stream.model_validate({"shape": [3], "element": element, "words": "packed"}),
        latency_cycles=LATENCY,
        directory=tmp_path,
    )
    library = build_fabric_image(design, tmp_path / "echo.so", logs=tmp_path)
    bit = on_board.package / "hls4ml_nn.bit"
    write_bit(bit, fabric_image(library.read_bytes()), design="design_1", part="xc7z020clg400-1")
    on_board.digest_files()
    assert on_board.run("--batches", "1,8")[0] == 0
    results = on_board.results()
    assert results["csim"]["mismatches"] == 0
    assert results["deterministic"]
    # Two words in and one out: one word a clock.
    assert results["cycles_per_sample"] == pytest.approx(2, rel=0.02)
    assert results["latency_cycles"] > LATENCY
    assert results["counters"]["samples"] == results["samples"]
    assert results["counters"]["output_stall_cycles"] == 0
