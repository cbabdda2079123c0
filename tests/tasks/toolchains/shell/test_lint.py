"""The hand-written SystemVerilog has no warning, whatever its parameters."""

import itertools
from pathlib import Path

import pytest

from tasks.conversion.names import is_free
from tasks.core.records.design import FixedPoint, Stream
from tasks.toolchains.shell.shell import write_design
from tests.tasks.toolchains.lint import lint

WIDTHS = {"float32": (1, 8, 16, 24, 25, 64), "packed": (1, 6, 8, 13, 16, 20, 32, 33, 64)}
SIDES = [(words, width) for words, widths in WIDTHS.items() for width in widths]
MODES = itertools.cycle(
    itertools.product((True, False), ("TRN", "RND_CONV"), ("WRAP", "SAT", "SAT_ZERO", "SAT_SYM"))
)


def stream(size: int, words: str, width: int) -> Stream:
    signed, rounding, saturation = next(MODES)
    format_ = {"width": width, "integer": width // 2, "signed": signed}
    modes = {"rounding": rounding, "saturation": saturation}
    element = FixedPoint.model_validate(format_ | modes)
    return Stream.model_validate({"shape": (size,), "element": element, "words": words})


def test_a_project_named_by_a_keyword_of_verilog_makes_good_modules(tmp_path: Path) -> None:
    core = tmp_path / "wire_core.v"
    core.write_text(
        "module wire_core (input clk, input [7:0] inp, output reg [7:0] out);"
        " always @(posedge clk) out <= inp; endmodule\n"
    )
    one = stream(1, "packed", 8)
    design = write_design(
        [core], project_name="wire", input=one, output=one, latency_cycles=1, directory=tmp_path
    )
    assert is_free("wire")
    assert lint(design) == []


@pytest.mark.parametrize(("words", "width"), SIDES)
@pytest.mark.parametrize("size", [1, 5])
def test_verilator_has_nothing_to_say(tmp_path: Path, words: str, width: int, size: int) -> None:
    given, answered = stream(size, words, width), stream(6 - size, words, width)
    in_bits, out_bits = given.size * width, answered.size * width
    core = tmp_path / "x_core.v"
    core.write_text(
        f"module x_core (input clk, input [{in_bits - 1}:0] inp,"
        f" output reg [{out_bits - 1}:0] out);"
        f" always @(posedge clk) out <= {{{out_bits}{{^inp}}}}; endmodule\n"
    )
    design = write_design(
        [core], project_name="x", input=given, output=answered, latency_cycles=1, directory=tmp_path
    )
    assert lint(design) == []
