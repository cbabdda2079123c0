"""Runs the conversion in a child process, the only one that imports TensorFlow.

python -m tasks.conversion.child REQUEST RESULT
"""

import logging
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from board.kinds import board_kinds
from tasks.conversion import datafile, dataset, hls
from tasks.conversion.csim import CSimulation
from tasks.conversion.departure import first_departing
from tasks.conversion.frontends import choice
from tasks.conversion.frontends.base import LoadedModel, Tensor, computing
from tasks.conversion.meaning import cut, judged, match_output, with_threshold
from tasks.conversion.modelfile import ModelFile, identify
from tasks.core.digests import digest_of
from tasks.core.errors import InputError, UnsupportedModelError
from tasks.core.records.base import Entry, Record
from tasks.core.records.design import FixedPoint, HlsProject, Stream
from tasks.core.records.quality import Fidelity, Meaning, OutputQuality, Quality, Segment
from tasks.core.records.settings import ConvertSettings
from tasks.processes.child import child_main

log = logging.getLogger(__name__)


class ConvertRequest(Record):
    """The child's request: files, settings, and the directory for the store entry.

    Attributes:
        model_digest: SHA-256 of the model file, part of the entry's key.
        data: test data; without it, inputs are drawn at random.
        data_digest: SHA-256 of the data file, part of the entry's key.
        out: directory of the entry's files.
    """

    model: Path
    model_digest: str
    data: Path | None
    data_digest: str
    settings: ConvertSettings
    entry: Entry
    out: Path


# Samples by which formats are chosen and layers compared; text files of the HLS test bench hold
# as many.
SAMPLES = 1000
# From here on the first layer that departs is looked for, which compiles everything once more.
_AGREEMENT, _ERROR = 0.99, 0.05
_USUAL = FixedPoint(width=16, integer=6)


Check = Callable[[Path, tuple[Stream, Stream]], None]


def convert(request: ConvertRequest, check: Check = lambda _files, _streams: None) -> HlsProject:
    """Convert a model and compute its golden outputs.

    Args:
        request: what to convert.
        check: called with `request.out` and the streams before outputs are computed and the C
            simulation is compiled, to refuse the converted model by raising.

    Raises:
        InputError: the data does not fit the model, or a setting is invalid.
        UnsupportedModelError: the framework or hls4ml cannot take the model.
    """
    out, settings = request.out, request.settings
    file = identify(request.model, settings.framework)
    data = datafile.unpack(request.data, settings.target, out) if request.data else None
    model = choice.load(file)
    _check_unchanged(request, file)
    # Checked before hls4ml runs, which is slow.
    given = samples(model, data, out)
    expected = _expected(model, data.y, out) if data else None
    sample = np.asarray(given[:SAMPLES], dtype=np.float32)
    project, kind = out / "project", board_kinds()[settings.board_kind]
    bench = (project / "tb_data" / "X_test.npy", project / "tb_data" / "y_framework.npy")
    converted = hls.convert(model, settings, kind, project, bench, sample=sample)
    for name, text in converted.chosen.items():
        log.info("chosen for layer %s: %s", name, text)
    graph = converted.graph
    stream_in, stream_out = hls.streams(graph, settings)
    hls.write_weights(graph, project)
    hls.save(graph, out / "model.fml")
    check(out, (stream_in, stream_out))
    if data is None:
        given = drawn(model, stream_in.element)
    signs = hls.gives_signs(graph)
    y_framework = predicted(model, given, out / "y_framework.npy", signs=signs)
    y, meanings = expected or _unknown(model, y_framework, out)
    x = dataset.write_floats(out / "X_test.npy", given, model.input.arranged)
    hls.check_input(graph, x)
    _write_test_bench(bench, x, y_framework)
    backend = hls.write(graph, project)
    y_csim = _simulated(graph, x, y_framework.shape, out)
    outputs = _judged(model, meanings, y, y_framework, y_csim, drawn=data is None)
    departure = _departure(converted, x, [each.fidelity for each in outputs if each.fidelity])
    several = len(outputs) > 1
    whole = Quality(meaning=Meaning(kind="values")) if several else outputs[0]

    return HlsProject(
        **whole.values_of(Quality),
        entry=request.entry,
        settings=settings,
        backend=backend,
        part=kind.part,
        model_name=request.model.name,
        model_digest=request.model_digest,
        data_digest=request.data_digest,
        input=stream_in.model_copy(update={"shape": x.shape[1:]}),
        output=stream_out.model_copy(update={"shape": y_csim.shape[1:]}),
        samples=len(x),
        drawn_inputs=data is None,
        inputs=tuple(map(_segment, model.several_inputs)),
        outputs=tuple(outputs) if several else (),
        overflows=hls.overflows(converted, x, stream_in.element),
        departure=departure,
        formats=converted.chosen,
        versions=choice.versions(file) | {"g++": _compiler_version()},
    )


def _check_unchanged(request: ConvertRequest, file: ModelFile) -> None:
    """Refuse files that have changed since the entry's key was computed."""
    changed = [request.model] if file.digest() != request.model_digest else []
    if request.data and digest_of(datafile.files(request.data)) != request.data_digest:
        changed.append(request.data)
    for path in changed:
        raise InputError(
            "was changed while the run started",
            where=str(path),
            remedy="run it again when the file is no longer being written",
        )


def samples(model: LoadedModel, data: dataset.Dataset | None, out: Path) -> npt.NDArray[Any]:
    """Return the samples, checked to fit the model; several inputs are concatenated.

    Args:
        model: as its front end loaded it.
        data: the test data; without any, inputs are drawn at random.
        out: where they were unpacked; several inputs are replaced by X_test.npy.

    Raises:
        InputError: they do not fit the model.
    """
    if data is None:
        return drawn(model, _USUAL)
    named = dataset.in_order(data.x, "X_test", [each.name for each in model.inputs])
    for tensor, (name, x) in zip(model.inputs, named.items(), strict=True):
        dataset.match_input(x, tensor.shape, tensor.dtype, name)
    joined = dataset.joined(out / "X_test.npy", list(named.values()))
    _remove_parts(named, out)
    return joined


def drawn(model: LoadedModel, element: FixedPoint) -> dataset.FloatArray:
    """Return random inputs; those that count something are counts."""
    x = dataset.drawn(model.input.shape, element)
    start = 0
    for tensor in model.several_inputs:
        size = math.prod(tensor.shape)
        if tensor.most:
            counts = np.random.default_rng(0).integers(1, tensor.most + 1, (len(x), size))
            x[:, start : start + size] = counts
        start += size
    return x


def _expected(
    model: LoadedModel, arrays: dataset.Arrays, out: Path
) -> tuple[dataset.FloatArray, list[Meaning]]:
    """Return the expected outputs, in hls4ml's order of axes, and what each means."""
    named = dataset.in_order(arrays, "y_test", [each.name for each in model.outputs])
    parts, meanings = [], []
    for tensor, (name, given) in zip(model.outputs, named.items(), strict=True):
        y, path = given, out / f"{name}.npy"
        if y.shape[1:] == tensor.shape:
            y = dataset.write_floats(path, y, tensor.arranged)
        shape = tensor.arranged(np.empty((1, *tensor.shape), np.float32)).shape[1:]
        expected, meaning = match_output(y, shape, tensor.activation, name)
        parts.append(dataset.write_floats(path, expected))
        meanings.append(meaning)
    joined = dataset.write_floats(out / "y_test.npy", dataset.joined(out / "y_test.npy", parts))
    _remove_parts(named, out)
    return joined, meanings


def _unknown(
    model: LoadedModel, y_framework: dataset.FloatArray, out: Path
) -> tuple[dataset.FloatArray, list[Meaning]]:
    """Take the framework's outputs for the expected ones, as `_expected` returns them."""
    y = dataset.write_floats(out / "y_test.npy", y_framework)
    return y, [Meaning(kind="values") for _ in model.outputs]


def _remove_parts(arrays: dataset.Arrays, out: Path) -> None:
    """Remove the unpacked arrays that were joined into X_test.npy or y_test.npy."""
    for name in arrays:
        if name not in dataset.NAMES:
            (out / f"{name}.npy").unlink(missing_ok=True)


def _judged(
    model: LoadedModel, meanings: list[Meaning], *arrays: npt.NDArray[Any], drawn: bool
) -> list[OutputQuality]:
    """Compare each output between y_test, the framework and the C simulation."""
    only = Segment(shape=arrays[-1].shape[1:])
    segments = [_segment(each) for each in model.several_outputs] or [only]
    found = []
    parts = zip(*(cut(array, segments) for array in arrays), strict=True)
    for tensor, segment, meaning, (y, framework, simulated) in zip(
        model.outputs, segments, meanings, parts, strict=True
    ):
        known = with_threshold(meaning, tensor.activation, framework)
        found.append(judged(segment, known, y, framework, simulated, drawn=drawn))
    return found


def _segment(tensor: Tensor) -> Segment:
    return Segment(name=tensor.name, shape=tensor.shape)


def predicted(
    model: LoadedModel, x: npt.NDArray[Any], path: Path, *, signs: bool
) -> npt.NDArray[np.float32]:
    """Compute the framework's outputs, some megabytes of samples at a time; signs as 0 and 1."""
    if signs:
        log.info("the output's signs -1 and 1 are 0 and 1 in the core, and in all files of outputs")
    y: npt.NDArray[np.float32] | None = None
    for part in dataset.chunks(x):
        with computing():
            computed = model.predict(np.asarray(x[part], dtype=np.float32))
        outputs = model.output.arranged(computed)
        if not np.isfinite(outputs).all():
            raise UnsupportedModelError(
                "gives NaN or infinite outputs on the test samples",
                where=f"the model, output {model.output.name}",
                remedy="retrain it with scaled inputs or a smaller learning rate",
            )
        if signs:
            outputs = (outputs > 0).astype(np.float32)
        if y is None:
            shape = (len(x), *outputs.shape[1:])
            y = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        y[part] = outputs
        dataset.release(y)
    if y is None:
        raise InputError("is empty", where="X_test")
    return y


def _write_test_bench(files: tuple[Path, Path], *arrays: npt.NDArray[Any]) -> None:
    """Save the first samples for hls4ml, which writes them out as text."""
    for file, array in zip(files, arrays, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, array[:SAMPLES])


def _simulated(
    graph: Any, x: npt.NDArray[Any], shape: tuple[int, ...], out: Path
) -> npt.NDArray[np.float32]:
    y = np.lib.format.open_memmap(out / "y_csim.npy", "w+", np.float32, shape)
    for part, outputs in CSimulation(graph, out / "project", out / "g++.log").chunks(x):
        y[part] = outputs.reshape(-1, *shape[1:])
        dataset.release(x, y)
    return y


def _departure(converted: hls.Converted, x: npt.NDArray[Any], outputs: list[Fidelity]) -> str:
    """Return a sentence about the first layer that departs, if the outputs do."""
    close = all(
        each.rmse <= _ERROR * each.spread
        if each.agreement is None
        else each.agreement >= _AGREEMENT
        for each in outputs
    )
    if close or not converted.layer_outputs:
        return ""
    compared = x[: len(next(iter(converted.layer_outputs.values())))]
    with tempfile.TemporaryDirectory(prefix="overlayflow-") as scratch:
        return first_departing(converted.graph, converted.layer_outputs, compared, Path(scratch))


def _compiler_version() -> str:
    """Return the version of the g++ that compiled the C simulation."""
    command = ["g++", "-dumpfullversion"]  # by name, as hls4ml calls it
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def set_up() -> None:
    """Quiet TensorFlow, and print the log of our modules in the form that the parent passes on."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its start-up messages say nothing here
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("NOTE: %(message)s"))
    own = logging.getLogger("tasks")
    own.addHandler(handler)
    own.setLevel(logging.INFO)


if __name__ == "__main__":
    set_up()
    child_main(ConvertRequest, convert)
