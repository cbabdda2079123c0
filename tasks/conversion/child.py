"""The conversion itself, in a process of its own: it alone imports TensorFlow.

python -m tasks.conversion.child REQUEST RESULT
"""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from board.kinds import board_kinds
from tasks.conversion import datafile, dataset, hls
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.records.base import Entry, Record
from tasks.core.records.design import HlsProject
from tasks.core.records.settings import ConvertSettings
from tasks.processes.child import child_main


class ConvertRequest(Record):
    """What the child is asked: files, settings, and where the entry's files go.

    Attributes:
        data: test data; without any the inputs are drawn.
    """

    model: Path
    model_digest: str
    data: Path | None
    settings: ConvertSettings
    entry: Entry
    out: Path


def convert(request: ConvertRequest) -> HlsProject:
    """Convert a model and compute its golden outputs.

    Raises:
        InputError: the data does not fit the model, or a setting is not possible.
        UnsupportedModelError: the framework or hls4ml cannot take the model.
    """
    file = identify(request.model, request.settings.framework)
    target = request.settings.target
    data = datafile.read(request.data, target) if request.data else None
    model = choice.load(file)
    kind = board_kinds()[request.settings.board_kind]
    out = request.out
    golden = (out / "X_test.npy", out / "y_framework.npy")
    if data is not None:  # before hls4ml, which takes its time
        x = dataset.match_input(data.x, model.input.shape, model.input.dtype)
        y, classes = dataset.match_output(data.y, model.output.shape)
    graph = hls.convert(model, request.settings, kind, out / "project", golden)
    stream_in, stream_out = hls.streams(graph, request.settings)
    if data is None:
        x, classes = dataset.drawn(model.input.shape, stream_in.element), False
    y_framework = model.predict(x)
    x, y_framework = model.input.arranged(x), model.output.arranged(y_framework)
    y = y_framework if data is None else model.output.arranged(y)
    hls.check_input(graph, x)
    for name, array in (("X_test", x), ("y_test", y), ("y_framework", y_framework)):
        np.save(out / f"{name}.npy", array)
    backend = hls.write(graph, out / "project")
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
        drawn_inputs=data is None,
        accuracy_framework=dataset.accuracy(y_framework, y) if classes else None,
        accuracy_csim=dataset.accuracy(y_csim, y) if classes else None,
        max_error_csim=float(np.abs(y_csim - y_framework).max()),
        versions=choice.versions(file) | {"g++": _compiler_version()},
    )


def _remove_leftovers(project: Path) -> None:
    """Drop what only the C simulation on this machine needs."""
    for library in (project / "firmware").glob("*.so"):
        library.unlink()
    shutil.rmtree(project / "firmware" / "__pycache__", ignore_errors=True)


def _compiler_version() -> str:
    """Of the g++ that has just compiled the C simulation."""
    command = ["g++", "-dumpfullversion"]  # by name, as hls4ml calls it
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _say() -> None:
    """Print what our own modules log, in the form that the parent passes on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("NOTE: %(message)s"))
    own = logging.getLogger("tasks")
    own.addHandler(handler)
    own.setLevel(logging.INFO)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its start-up messages say nothing here
    _say()
    child_main(ConvertRequest, convert)
