"""The conversion itself, in a process of its own: it alone imports TensorFlow.

python -m tasks.conversion.child REQUEST RESULT
"""

import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from board.kinds import board_kinds
from tasks.conversion import dataset, hls, modelfile
from tasks.core.errors import UnsupportedModelError
from tasks.core.records.base import Entry, Record
from tasks.core.records.design import HlsProject
from tasks.core.records.settings import ConvertSettings
from tasks.processes.child import child_main


class ConvertRequest(Record):
    """What the child is asked: files, settings, and where the entry's files go."""

    model: Path
    model_digest: str
    data: Path
    settings: ConvertSettings
    entry: Entry
    out: Path


def convert(request: ConvertRequest) -> HlsProject:
    """Convert a model and compute its golden outputs.

    Raises:
        InputError: the data does not fit the model, or a setting is not possible.
        UnsupportedModelError: Keras or hls4ml cannot take the model.
    """
    data = dataset.read(request.data)
    model = modelfile.load(request.model)
    x = dataset.match_input(data.x, _sample_shape(model.inputs[0]), model.inputs[0].dtype)
    y, classes = dataset.match_output(data.y, _sample_shape(model.outputs[0]))
    y_framework = np.asarray(model.predict(x, verbose=0), dtype=np.float32)
    out = request.out
    for name, array in (("X_test", x), ("y_test", y), ("y_framework", y_framework)):
        np.save(out / f"{name}.npy", array)

    kind = board_kinds()[request.settings.board_kind]
    golden = (out / "X_test.npy", out / "y_framework.npy")
    graph, backend = hls.convert(model, request.settings, kind, out / "project", golden)
    hls.check_input(graph, x)
    stream_in, stream_out = hls.streams(graph, request.settings)
    graph.compile()
    y_csim = np.asarray(graph.predict(x), dtype=np.float32).reshape(y_framework.shape)
    np.save(out / "y_csim.npy", y_csim)
    hls.save(graph, out / "model.fml")
    _remove_leftovers(out / "project")

    return HlsProject(
        entry=request.entry,
        settings=request.settings,
        backend=backend,
        part=kind.part,
        model_name=request.model.name,
        model_digest=request.model_digest,
        input=stream_in.model_copy(update={"shape": x.shape[1:]}),
        output=stream_out.model_copy(update={"shape": y_csim.shape[1:]}),
        samples=len(x),
        accuracy_framework=dataset.accuracy(y_framework, y) if classes else None,
        accuracy_csim=dataset.accuracy(y_csim, y) if classes else None,
        max_error_csim=float(np.abs(y_csim - y_framework).max()),
        versions=tool_versions() | {"g++": _compiler_version()},
    )


def _sample_shape(tensor: Any) -> tuple[int, ...]:
    if any(extent is None for extent in tensor.shape[1:]):
        raise UnsupportedModelError(
            f"its tensor {tensor.name} has shape {tensor.shape}: hardware needs fixed extents",
            remedy="give the model an Input layer with a fixed shape",
        )
    return tuple(tensor.shape[1:])


def _remove_leftovers(project: Path) -> None:
    """Drop what only the C simulation on this machine needs."""
    for library in (project / "firmware").glob("*.so"):
        library.unlink()
    shutil.rmtree(project / "firmware" / "__pycache__", ignore_errors=True)


def tool_versions() -> dict[str, str]:
    """Versions that a conversion depends on; reads metadata, imports nothing."""
    return {name: version(name) for name in ("hls4ml", "keras", "tensorflow", "hgq2", "numpy")}


def _compiler_version() -> str:
    """Of the g++ that has just compiled the C simulation."""
    command = ["g++", "-dumpfullversion"]  # by name, as hls4ml calls it
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its start-up messages say nothing here
    child_main(ConvertRequest, convert)
