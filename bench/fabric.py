"""Measure how fast the twin's fabric runs, in clock cycles of the packaged design per second."""

import ctypes
import tarfile
import time
from pathlib import Path

import numpy as np

from tasks.core.records.measurement import Run
from tasks.hardware.bitfile import IMAGE_MAGIC
from tasks.packaging.archive import PACKAGE_FILE, read_array
from tasks.store.store import Store

HEADER = len(IMAGE_MAGIC) + 8
REPEATS = 20


def cycles_per_second(home: Path, output: str) -> float:
    """Run all test samples through the fabric image of a run's package.

    Args:
        home: OVERLAYFLOW_HOME of the run.
        output: of `overlayflow run --json`.
    """
    run = Run.model_validate_json(output)
    package = run.verdict.measurement.deployment.package
    archive = Store(home / "store").files(package.entry) / PACKAGE_FILE
    words = np.tile(read_array(archive, "X_test.npy").ravel().view(np.uint32), REPEATS)
    outputs = np.empty(read_array(archive, "y_csim.npy").size * REPEATS, dtype=np.uint32)
    library = home / "fabric.so"
    with tarfile.open(archive) as tar:
        member = tar.extractfile("hls4ml_nn.bit")
        content = member.read() if member else b""
    library.write_bytes(content[content.index(IMAGE_MAGIC) + HEADER :])
    started = time.perf_counter()
    cycles = _run(library, words, outputs)
    return cycles / (time.perf_counter() - started)


def _run(library: Path, words: np.ndarray, outputs: np.ndarray) -> int:
    """Feed words and collect outputs; return the clock cycles (fabric.h explains the arguments)."""
    fabric = ctypes.CDLL(str(library))
    fabric.fabric_new.restype = ctypes.c_void_p
    fabric.fabric_run.restype = ctypes.c_uint64
    handle = ctypes.c_void_p(fabric.fabric_new())
    consumed, produced, last = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_int()
    cycles = fabric.fabric_run(
        handle,
        words.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_uint64(words.size),
        ctypes.c_int(1),
        ctypes.byref(consumed),
        outputs.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_uint64(outputs.size),
        ctypes.byref(produced),
        ctypes.byref(last),
        ctypes.c_uint64(1 << 40),
    )
    fabric.fabric_free(handle)
    return int(cycles)
