"""Maps a design to a Xilinx part's primitives with Yosys and counts them, in a child process."""

import json
import re
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field

from tasks.core.records.base import Record
from tasks.processes.child import child_main
from tasks.toolchains.open.units import count_units

# Printed before each stage, for readers of the log.
STAGE = "overlayflow stage:"

_ARRIVAL = re.compile(r"^Latest arrival time in '.*' is (\d+):$", re.MULTILINE)

# The stages of synth_xilinx up to the mapping to LUTs, with Yosys's names of their ends.
_STAGES = (
    ("reading the cell library", "begin", "prepare"),
    ("flattening", "prepare", "map_dsp"),
    ("multipliers", "map_dsp", "coarse"),
    ("word-level optimisation", "coarse", "map_memory"),
    ("memories", "map_memory", "fine"),
    ("bit-level optimisation", "fine", "map_cells"),
    ("registers", "map_cells", "map_luts"),
)
_LAST = "look-up tables"
# What part of the time is over when a stage begins; of designs of 1,200 to 9,700 LUTs.
OVER_BEFORE = {
    "reading the cell library": 0.0,
    "flattening": 0.1,
    "multipliers": 0.27,
    "word-level optimisation": 0.31,
    "memories": 0.39,
    "bit-level optimisation": 0.6,
    "registers": 0.74,
    _LAST: 0.77,
}
# synth_xilinx maps LUTs with abc9, which knows delays. Counting needs no delays: abc with the same
# costs takes a third of the time and gives the same number of LUTs within 2 %.
_MAP_LUTS = (
    "opt_expr -mux_undef -noclkinv",
    "abc -luts 2:2,3,6:5",
    "clean",
    "xilinx_srl -fixed -minlen 3",
    "techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6",
    "xilinx_dffopt",
    "opt_lut_ins -tech xilinx",
    "clean",
)

# Yosys elaborates a module for each content of a block RAM, which for a hundred takes minutes.
# Counting needs no content any more: bits that never change are gone by then.
_EMPTY_ROMS = "setparam -set INIT 1'bx t:$mem_v2 a:rom_style=block %i"


class CountRequest(Record):
    """A design to count.

    Attributes:
        files: Verilog and SystemVerilog sources.
        top: name of the top module.
        modules: submodules to count separately; everything below them is flattened.
        family: synth_xilinx's name of the family.
        core: the submodule that is counted unit by unit, see units.py; empty for none.
        units: number of its units.
    """

    files: tuple[Path, ...]
    top: str
    modules: tuple[str, ...]
    family: Literal["xc7", "xcup"]
    core: str = ""
    units: int = 0


class CellCounts(Record):
    """Cells by module and type.

    Attributes:
        modules: number of cells by type, for the top and each of the requested modules.
        units: the same for each unit of the core.
        longest_path_ps: through the cells from register to register, without routing.
    """

    modules: dict[str, dict[str, int]] = Field(default_factory=dict)
    units: tuple[dict[str, int], ...] = ()
    longest_path_ps: int


def count_cells(request: CountRequest) -> CellCounts:
    """Synthesize a design and count its cells."""
    from pyosys import libyosys

    design = libyosys.Design()

    def run(command: str) -> None:
        libyosys.run_pass(command, design)

    for file in request.files:
        run(f'read_verilog -sv "{file}"')
    run(f"hierarchy -check -top {request.top}")
    # Yosys's name for Vivado's distributed ROM is logic.
    run('setattr -set rom_style "logic" a:rom_style=distributed')
    for module in request.modules:
        # Modules with parameters have longer names, see _base.
        run(f"setattr -mod -set keep_hierarchy 1 *{module}*")
    synth = f"synth_xilinx -family {request.family} -flatten -noiopad -noclkbuf -top {request.top}"
    for name, start, end in _STAGES:
        run(f"log {STAGE} {name}")
        if name == "memories":
            run(_EMPTY_ROMS)
        run(f"{synth} -run {start}:{end}")
    run(f"log {STAGE} {_LAST}")
    for command in _MAP_LUTS:
        run(command)
    with tempfile.TemporaryDirectory() as directory:
        report, timing = Path(directory, "stat.json"), Path(directory, "sta.txt")
        netlist = Path(directory, "netlist.json")
        run(f'tee -q -o "{report}" stat -json')
        run(f'tee -q -o "{timing}" sta')
        modules = json.loads(report.read_text(encoding="utf-8"))["modules"]
        arrivals = _ARRIVAL.findall(timing.read_text(encoding="utf-8"))
        units: tuple[dict[str, int], ...] = ()
        if request.core:
            run(f"select {request.core}")
            run(f'write_json -selected "{netlist}"')
            core = json.loads(netlist.read_text(encoding="utf-8"))["modules"][request.core]
            units = count_units(core, request.units)
    names = {_base(name) for name in modules}
    return CellCounts(
        modules={
            _base(name): {
                cell: count
                for cell, count in found["num_cells_by_type"].items()
                if _base(cell) not in names  # a submodule is a cell, too
            }
            for name, found in modules.items()
        },
        units=units,
        longest_path_ps=max(map(int, arrivals), default=0),
    )


def _base(module: str) -> str:
    r"""Return a module's name without its parameters.

    Yosys writes $paramod\module\parameter=value, or $paramod$digest\module if that gets too long.
    """
    return re.sub(r"^(\$paramod(\$\w+)?)?\\(\w+).*", r"\3", module)


if __name__ == "__main__":
    child_main(CountRequest, count_cells)
