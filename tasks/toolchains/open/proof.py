"""Child process: run a folded core's RTL in its shell over test samples, and compare every bit.

python -m tasks.toolchains.open.proof REQUEST RESULT
"""

import ctypes
import logging
import tempfile
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from board import codec
from tasks.core.errors import CoreMismatchError
from tasks.core.records.base import Cycles, Record
from tasks.core.records.design import HlsProject, Stream
from tasks.processes.child import child_main
from tasks.toolchains.open.image import build_fabric_image
from tasks.toolchains.shell.shell import core_files, write_design

logger = logging.getLogger(__name__)

Samples = NDArray[np.floating]
Words = NDArray[np.uint32]

CLOCKS = 400_000
"""Clocks that a proof may take at the stream's rate: seconds."""
FEWEST = 3
"""Samples that always run: the interval lies between the first and the others."""
PATIENCE = 1000
"""So many times the words of a sample without an answer, and the core hangs."""


class ProofRequest(Record):
    """What to run.

    Attributes:
        files: of the convert entry.
        project: the converted model.
        core: directory with the core's RTL.
    """

    files: Path
    project: HlsProject
    core: Path


class Proof(Record):
    """What the RTL did.

    Attributes:
        latency_cycles: from the last word of a sample in to the first word of its result out.
        interval_cycles: clocks a sample at full rate, rounded up.
        samples: that ran, all of them bit-exact.
    """

    latency_cycles: Cycles
    interval_cycles: Cycles
    samples: int


def prove(request: ProofRequest) -> Proof:
    """Run as many test samples as the time allows.

    Raises:
        CoreMismatchError: an output differs from the C simulation's, or none comes.
    """
    project = request.project
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        design = write_design(
            core_files(request.core),
            project_name=project.settings.project_name,
            input=project.input,
            output=project.output,
            latency_cycles=None,
            directory=scratch,
        )
        logger.info("compiling the core for simulation")
        library = build_fabric_image(design, scratch / "core.so", logs=scratch)
        fabric = ctypes.CDLL(str(library))
    fabric.fabric_new.restype = ctypes.c_void_p
    fabric.fabric_run.restype = ctypes.c_uint64
    x, expected = (
        np.load(request.files / f"{name}.npy", mmap_mode="r") for name in ("X_test", "y_csim")
    )
    count = min(len(x), max(FEWEST, CLOCKS // project.words_per_sample))
    given = _encoded(project.input, x[:count].reshape(count, -1))
    first, _ = _run(fabric, given[:1], project)
    total, words = _run(fabric, given, project)
    _compare(project.output, words, expected[:count].reshape(count, -1))
    interval = ceil((total - first) / (count - 1) - 0.01) if count > 1 else first
    return Proof(
        latency_cycles=max(
            first - project.input.words_per_sample - project.output.words_per_sample + 1, 0
        ),
        interval_cycles=interval,
        samples=count,
    )


def _run(fabric: ctypes.CDLL, given: Words, project: HlsProject) -> tuple[int, Words]:
    """Send samples through a fresh core; return the clocks that passed and the words out."""
    source = np.ascontiguousarray(given).ravel()
    room = len(given) * project.output.words_per_sample
    answers = np.zeros(room, np.uint32)
    consumed, produced, last = ctypes.c_uint64(0), ctypes.c_uint64(0), ctypes.c_int(0)
    handle = ctypes.c_void_p(fabric.fabric_new())
    clocks = fabric.fabric_run(
        handle,
        *(ctypes.c_void_p(source.ctypes.data), ctypes.c_uint64(source.size), 1),
        ctypes.byref(consumed),
        *(ctypes.c_void_p(answers.ctypes.data), ctypes.c_uint64(room)),
        *(ctypes.byref(produced), ctypes.byref(last)),
        ctypes.c_uint64(PATIENCE * (len(given) + 1) * (project.words_per_sample + PATIENCE)),
    )
    fabric.fabric_free(handle)
    if produced.value != room or not last.value:
        raise CoreMismatchError(
            f"the core's RTL gave {produced.value} of {room} words for {len(given)} samples",
            where=project.settings.project_name,
            remedy="use core unrolled for this model, and report its layers",
        )
    return int(clocks), answers


def _encoded(stream: Stream, samples: Samples) -> Words:
    """Samples as stream words, a row each."""
    coder = codec.codec_of(stream.model_dump(mode="json"))
    elements = np.zeros((len(samples), coder.row), coder.dtype)
    elements[:, : coder.size] = coder.encode(samples.astype(np.float32))
    return elements.view(np.uint32)


def _compare(stream: Stream, words: Words, expected: Samples) -> None:
    coder = codec.codec_of(stream.model_dump(mode="json"))
    elements = words.view(coder.dtype).reshape(len(expected), coder.row)[:, : coder.size]
    got, wanted = coder.decode(elements), expected.astype(np.float32)
    different = np.argwhere(got != wanted)
    if len(different):
        sample, element = different[0]
        raise CoreMismatchError(
            f"the core's RTL differs from the C simulation on "
            f"{len(np.unique(different[:, 0]))} of {len(expected)} samples, first in sample "
            f"{sample}, element {element}: expected {wanted[sample, element]}, got "
            f"{got[sample, element]}",
            where="toolchain open",
            remedy="use core unrolled for this model, and report its layers and precisions",
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    child_main(ProofRequest, prove)
