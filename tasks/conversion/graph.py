"""Converts a model to hls4ml's graph without the C simulation, which takes only seconds."""

from pathlib import Path

import numpy as np

from board.kinds import board_kinds
from tasks.conversion import datafile, hls
from tasks.conversion.child import SAMPLES, samples
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.records.design import Stream
from tasks.core.records.settings import ConvertSettings


def convert_graph(
    model: Path, data: Path | None, settings: ConvertSettings, out: Path
) -> tuple[Stream, Stream]:
    """Write `model.fml` and `project/` with the weights; return the streams in and out.

    Args:
        model: the model file.
        data: determines the formats that the model leaves open, as in a run.
        settings: how to convert it.
        out: an existing directory.

    Raises:
        InputError: model, data or settings cannot be used.
        UnsupportedModelError: the framework or hls4ml cannot take the model.
    """
    given = datafile.unpack(data, settings.target, out) if data else None
    loaded = choice.load(identify(model, settings.framework))
    sample = np.asarray(samples(loaded, given, out)[:SAMPLES], dtype=np.float32)
    project = out / "project"
    bench = (out / "X.npy", out / "y.npy")
    for path in bench:
        np.save(path, sample[:1])
    kind = board_kinds()[settings.board_kind]
    converted = hls.convert(loaded, settings, kind, project, bench, sample=sample)
    streams = hls.streams(converted.graph, settings)
    hls.write_weights(converted.graph, project)
    hls.save(converted.graph, out / "model.fml")
    return streams
