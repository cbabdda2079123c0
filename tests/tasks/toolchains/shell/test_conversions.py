"""The shell's converters do exactly what hls4ml's C simulation does with the same formats."""

import importlib.util
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from tasks.processes.run import run_tool
from tasks.toolchains.open.image import verilator_root
from tasks.toolchains.shell import shell

HERE = Path(__file__).parent
SOURCES = Path(shell.__file__).parent

Shape = tuple[int, int, bool]

ROUNDINGS = ("TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_INF", "RND_MIN_INF", "RND_CONV")
SATURATIONS = ("WRAP", "SAT", "SAT_ZERO", "SAT_SYM")
# Width, integer bits, signed: points inside, left of and right of the number.
SHAPE: Shape = (8, 4, True)
MORE_SHAPES: tuple[Shape, ...] = (
    *((7, 9, False), (5, -3, True), (16, 6, True), (1, 1, True), (64, 31, True), (33, -32, False)),
)
# Every mode once; each of the compiler's 0.2 s for a type is well spent on another shape.
FORMATS = (
    *itertools.product([SHAPE], ROUNDINGS, SATURATIONS),
    *zip(itertools.cycle(MORE_SHAPES), ROUNDINGS * 4, SATURATIONS * 7, strict=False),
)
OUTPUTS: tuple[Shape, ...] = (
    *(SHAPE, *MORE_SHAPES),
    *((24, 24, True), (25, 10, True), (26, 3, False), (64, -32, False), (64, 64, True)),
)
CLOCKS = 10_000
# What Verilator's own makefile would define for a model without extras.
DEFINES = [
    f"-D{name}=0"
    for name in (
        *("VM_COVERAGE", "VM_SC", "VM_TIMING", "VM_TRACE"),
        *("VM_TRACE_FST", "VM_TRACE_VCD", "VM_TRACE_SAIF"),
    )
]


def ap_type(shape: Shape, rounding: str = "TRN", saturation: str = "WRAP") -> str:
    width, integer, signed = shape
    return f"ap_{'' if signed else 'u'}fixed<{width}, {integer}, AP_{rounding}, AP_{saturation}>"


def module() -> str:
    """Every format's converter in one module, results in 64 and 32 bits each."""
    lines = [
        "module conversions (input clk, input [31:0] given_float, input [63:0] given_raw,",
        f"    output [{64 * len(FORMATS) - 1}:0] fixed,",
        f"    output [{32 * len(OUTPUTS) - 1}:0] floats);",
    ]
    for index, ((width, integer, signed), rounding, saturation) in enumerate(FORMATS):
        lines.append(
            f"wire [{width - 1}:0] f{index}; float_to_fixed #(.W({width}), .I({integer}),"
            f' .SIGNED({int(signed)}), .ROUNDING("{rounding}"), .SATURATION("{saturation}"))'
            f" to_fixed{index} (.clk, .enable(1'b1), .float32(given_float), .fixed(f{index}));"
            f" assign fixed[{64 * index} +: 64] = 64'(f{index});"
        )
    for index, (width, integer, signed) in enumerate(OUTPUTS):
        lines.append(
            f"fixed_to_float #(.W({width}), .I({integer}), .SIGNED({int(signed)}))"
            f" to_float{index} (.clk, .enable(1'b1), .fixed(given_raw[{width - 1}:0]),"
            f" .float32(floats[{32 * index} +: 32]));"
        )
    return "\n".join([*lines, "endmodule\n"])


def comparisons() -> str:
    lines = [
        f'check_fixed<{ap_type(*format_)}>(given, top.fixed, {index}, "{ap_type(*format_)}");'
        for index, format_ in enumerate(FORMATS)
    ]
    lines += [
        f'check_float<{ap_type(shape)}>(raw, top.floats, {index}, "{ap_type(shape)}");'
        for index, shape in enumerate(OUTPUTS)
    ]
    return "\n".join([*lines, ""])


def ap_types() -> Path:
    hls4ml = importlib.util.find_spec("hls4ml")
    assert hls4ml is not None
    assert hls4ml.origin is not None
    return Path(hls4ml.origin).parent / "templates" / "vivado" / "ap_types"


def test_converts_floats_as_ap_fixed_in_every_mode(tmp_path: Path) -> None:
    (tmp_path / "conversions.sv").write_text(module())
    (tmp_path / "conversions.inc").write_text(comparisons())
    root = verilator_root()
    converters = [SOURCES / "float_to_fixed.sv", SOURCES / "fixed_to_float.sv"]
    options = ("--cc", "--make", "json", "-Wno-lint", "--prefix", "Vconversions", "-Mdir", "v")
    run(
        [root / "bin" / "verilator_bin", *options, "conversions.sv", *converters],
        tmp_path,
        VERILATOR_ROOT=str(root),
    )
    classes = json.loads((tmp_path / "v" / "Vconversions.json").read_text())["sources"]
    sources = [source for kind in classes if kind != "deps" for source in classes[kind]]
    sources += ["conversions.cpp"]
    (tmp_path / "all.cpp").write_text("".join(f'#include "{source}"\n' for source in sources))
    includes = [f"-I{path}" for path in ("v", ".", root / "include", ap_types(), HERE)]
    defines = ["-DVERILATOR=1", *DEFINES, f"-DCLOCKS={CLOCKS}"]
    run(["g++", "-w", *defines, *includes, "all.cpp", "-o", "conversions"], tmp_path)
    assert run([tmp_path / "conversions"], tmp_path).splitlines()[-1] == "0 differences"


def run(argv: Sequence[str | Path], directory: Path, **env: str) -> str:
    """Run a tool and return what it printed; its exit status must be 0."""
    log = directory / "log"
    run_tool(argv, cwd=directory, log=log, step="conversions", deadline_s=120, env=env)
    return log.read_text()
