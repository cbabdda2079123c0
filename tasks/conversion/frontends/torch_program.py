"""Reads PyTorch's torch.export programs, and exports them to ONNX with PyTorch's exporter."""

import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.conversion.dataset import FloatArray
from tasks.conversion.frontends import onnx_graph
from tasks.conversion.frontends.base import LoadedModel
from tasks.conversion.torch_text import harmless


def load(path: Path) -> LoadedModel:
    """Load a program cleaned by `harmless`."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PyTorch warns about its own parts
        program = torch.export.load(io.BytesIO(harmless(path)))
        exported: Any = torch.onnx.export(program, dynamo=True, verbose=False)
    loaded = onnx_graph.from_graph(exported.model_proto, path)
    return replace(loaded, predict=_executor(program))


def _executor(program: Any) -> Any:
    """Return a function that computes samples in the program's batch size."""
    import torch

    module = program.module()
    (name,) = program.graph_signature.user_inputs
    node = next(each for each in program.graph.nodes if each.name == name)
    batch = node.meta["val"].shape[0]

    def predict(samples: FloatArray) -> FloatArray:
        size = batch if isinstance(batch, int) else len(samples)
        short = -len(samples) % size
        padded = np.concatenate([samples, np.repeat(samples[-1:], short, axis=0)])
        with torch.no_grad():
            parts = [
                module(torch.from_numpy(padded[start : start + size])).numpy()
                for start in range(0, len(padded), size)
            ]
        return np.concatenate(parts)[: len(samples)].astype(np.float32)

    return predict
