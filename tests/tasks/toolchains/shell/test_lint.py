"""The hand-written SystemVerilog has no warning, whatever its parameters."""

import itertools
import os
import subprocess
from pathlib import Path

import pytest

from tasks.core.records.design import FixedPoint, Stream
from tasks.toolchains.open.image import verilator_root
from tasks.toolchains.shell.shell import write_design

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
    root = verilator_root()
    lint = ("--lint-only", "-Wall", "--quiet-stats", "--top-module", design.top)
    found = subprocess.run(
        [root / "bin" / "verilator_bin", *lint, *design.files],
        env=os.environ | {"VERILATOR_ROOT": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout + found.stderr == ""
    assert found.returncode == 0
