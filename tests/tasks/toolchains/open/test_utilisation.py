"""Primitives are counted as they are, and none is passed over."""

from pathlib import Path

import pytest

from tasks.core.errors import ToolError
from tasks.core.records.design import Resources
from tasks.toolchains.open.utilisation import resources, utilisation
from tasks.toolchains.shell.shell import Design

ZYNQ_7020 = Resources(lut=53200, ff=106400, dsp=220, bram_36k=140, carry4=13300)


def test_counts_a_known_design_exactly(tmp_path: Path) -> None:
    known = tmp_path / "known.v"
    known.write_text(
        "module known (input clk, input [5:0] a, output reg [2:0] y);"
        " always @(posedge clk) begin y[0] <= ^a; y[1] <= a[0] & a[1]; y[2] <= a[2]; end"
        " endmodule\n"
    )
    found = utilisation(Design("known", (known,)), ZYNQ_7020, part="xc7z020clg400-1", logs=tmp_path)
    assert found.used == Resources(lut=2, ff=3, dsp=0, bram_36k=0)
    assert found.by_module == {}
    # Clock to output of a register, and one LUT.
    assert found.logic_delay_ns is not None
    assert 0.5 < found.logic_delay_ns < 1.5


def test_the_longest_path_grows_with_the_logic_between_registers(tmp_path: Path) -> None:
    found = []
    for products in ("a", "a * a * a"):
        chain = tmp_path / "chain.v"
        chain.write_text(
            "module chain (input clk, input [15:0] in, output reg [15:0] y);"
            f" reg [15:0] a; always @(posedge clk) begin a <= in; y <= {products}; end endmodule\n"
        )
        design = Design("chain", (chain,))
        counted = utilisation(design, ZYNQ_7020, part="xc7z020clg400-1", logs=tmp_path)
        assert counted.logic_delay_ns is not None
        found.append(counted.logic_delay_ns)
    assert found == sorted(set(found))


def test_no_delay_is_said_of_a_family_whose_cells_yosys_does_not_time(tmp_path: Path) -> None:
    known = tmp_path / "known.v"
    known.write_text(
        "module known (input clk, a, output reg y); always @(posedge clk) y <= a; endmodule"
    )
    part = "xck26-sfvc784-2LV-c"
    found = utilisation(Design("known", (known,)), ZYNQ_7020, part=part, logs=tmp_path)
    assert found.logic_delay_ns is None


def test_a_rom_in_block_ram_takes_as_many_as_its_words_and_bits_that_change(tmp_path: Path) -> None:
    rom = tmp_path / "rom.v"
    rom.write_text(
        "module rom (input clk, input [10:0] a, output reg [31:0] y);"
        ' (* rom_style = "block" *) reg [31:0] memory [0:2047];'
        " integer n; initial for (n = 0; n < 2048; n = n + 1) memory[n] = (n * n) & 32'hffff;"
        " always @(posedge clk) y <= memory[a]; endmodule\n"
    )
    found = utilisation(Design("rom", (rom,)), ZYNQ_7020, part="xc7z020clg400-1", logs=tmp_path)
    # The upper half and the second bit of a square are always 0: 15 of 32 bits are kept.
    assert found.used == Resources(lut=0, ff=0, dsp=0, bram_36k=1)


def test_memory_and_shift_registers_are_made_of_luts() -> None:
    cells = {"LUT6": 2, "RAM32M": 3, "SRL16E": 4, "FDRE": 5, "RAMB18E1": 3, "MUXF7": 9}
    assert resources(cells) == Resources(lut=2 + 12 + 4, ff=5, dsp=0, bram_36k=1.5)


def test_an_unknown_primitive_is_an_error() -> None:
    with pytest.raises(ToolError, match="FANCY7"):
        resources({"LUT1": 1, "FANCY7": 1})
