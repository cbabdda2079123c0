"""Compiles and runs hls4ml's C simulation, keeping the compiler's messages."""

import ctypes
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.core.errors import ToolMissingError
from tasks.processes.run import run_tool

FloatArray = npt.NDArray[np.float32]

STEP = "C simulation"
DEADLINE_S = 3600.0
CHUNK_BYTES = 1 << 24
STACK_BYTES = 1 << 30
"""hls4ml's C++ keeps tensors on its stack; what it does not use takes no memory."""
# As in hls4ml's build_lib.sh, but without optimisation, which takes longer than it saves.
_FLAGS = ("-O1", "-w", "-fPIC", "-shared", "-fno-gnu-unique", "-I.", "-Ifirmware/ap_types")
# One translation unit, because the headers alone take seconds for each source.
_SOURCE = """\
{includes}

extern "C" void overlayflow_samples(float *x, float *y, unsigned long samples) {{
    for (unsigned long i = 0; i < samples; i++)
        {name}_float(x + i * {inputs}ul, y + i * {outputs}ul);
}}
"""


class CSimulation:
    """The compiled C simulation of a converted model.

    Args:
        graph: hls4ml's ModelGraph, written to `project`.
        project: its output directory; the library in it is deleted once it is loaded.
        log: file for the compiler's messages.

    Raises:
        ToolMissingError: there is no g++.
        ToolError: the generated C++ does not compile; the message quotes the compiler.
    """

    def __init__(self, graph: Any, project: Path, log: Path) -> None:
        (input_,), (output,) = graph.get_input_variables(), graph.get_output_variables()
        self._inputs, self._outputs = int(input_.size()), int(output.size())
        library = _compile(
            project, graph.config.get_project_name(), (self._inputs, self._outputs), log
        )
        self.library = ctypes.CDLL(str(library))
        library.unlink()

    def chunks(self, x: npt.NDArray[Any]) -> Iterator[tuple[slice, FloatArray]]:
        """Yield flat outputs by slices of samples, which need not all fit in memory."""
        step = max(1, CHUNK_BYTES // (4 * max(self._inputs, self._outputs)))
        for start in range(0, len(x), step):
            part = slice(start, min(start + step, len(x)))
            yield part, self(x[part])

    def __call__(self, x: npt.NDArray[Any]) -> FloatArray:
        """Return the flat outputs of some samples."""
        samples = np.ascontiguousarray(x, dtype=np.float32)
        y = np.zeros((len(samples), self._outputs), dtype=np.float32)
        pointer = ctypes.POINTER(ctypes.c_float)
        arguments = (
            samples.ctypes.data_as(pointer),
            y.ctypes.data_as(pointer),
            ctypes.c_ulong(len(samples)),
        )
        simulation = threading.Thread(target=self.library.overlayflow_samples, args=arguments)
        usual = threading.stack_size(STACK_BYTES)
        try:
            simulation.start()
        finally:
            threading.stack_size(usual)
        simulation.join()
        return y


def _compile(project: Path, name: str, sizes: tuple[int, int], log: Path) -> Path:
    source = project / "csim.cpp"
    # Only backend VivadoAccelerator writes the second.
    files = (f"firmware/{name}.cpp", f"firmware/{name}_axi.cpp", f"{name}_bridge.cpp")
    includes = "\n".join(f'#include "{file}"' for file in files if (project / file).exists())
    text = _SOURCE.format(includes=includes, name=name, inputs=sizes[0], outputs=sizes[1])
    source.write_text(text, encoding="utf-8")
    library = project / "csim.so"
    weights = str(project.absolute() / "firmware" / "weights").replace("\\", "\\\\")
    quoted = weights.replace('"', '\\"')
    command = (
        *("g++", *_FLAGS, f"-std={_standard()}", f'-DWEIGHTS_DIR="{quoted}"'),
        *("csim.cpp", "-o", "csim.so"),
    )
    try:
        run_tool(
            command,
            cwd=project,
            log=log,
            step=STEP,
            deadline_s=DEADLINE_S,
            expected=["csim.so"],
        )
    finally:
        source.unlink()
    return library


def _standard() -> str:
    """Return the newest C++ that hls4ml's headers can use: C++23 adds half and bfloat16."""
    probe = ["g++", "-std=c++23", "-fsyntax-only", "-xc++", "/dev/null"]
    try:
        known = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except FileNotFoundError as error:
        raise ToolMissingError(
            "g++ cannot be started: no such file or directory",
            where=STEP,
            remedy="install g++, or put its directory on PATH; `overlayflow doctor` says how",
        ) from error
    return "c++23" if known else "c++11"
