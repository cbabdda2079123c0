"""Reads PyTorch's torch.export programs, and exports them to ONNX with PyTorch's exporter."""

import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.conversion.dataset import FloatArray
from tasks.conversion.frontends import onnx_graph
from tasks.conversion.frontends.base import LoadedModel, concatenated, split
from tasks.conversion.torch_text import harmless


def load(path: Path) -> LoadedModel:
    """Load a program cleaned by `harmless`."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PyTorch warns about its own parts
        program = torch.export.load(io.BytesIO(harmless(path)))
        exported: Any = torch.onnx.export(program, dynamo=True, verbose=False)
    loaded = onnx_graph.from_graph(exported.model_proto, path)
    return replace(loaded, predict=_executor(program, [each.shape for each in loaded.inputs]))


def _executor(program: Any, shapes: list[tuple[int, ...]]) -> Any:
    """Return a function that computes samples in the program's batch size.

    Args:
        program: of torch.export.
        shapes: of one sample of each input.
    """
    import torch

    module = program.module()
    first = program.graph_signature.user_inputs[0]
    node = next(each for each in program.graph.nodes if each.name == first)
    batch = node.meta["val"].shape[0]

    def run(samples: FloatArray) -> FloatArray:
        given = (torch.from_numpy(np.ascontiguousarray(each)) for each in split(samples, shapes))
        results = module(*given)
        several = results.values() if isinstance(results, dict) else results
        tensors = [results] if isinstance(results, torch.Tensor) else list(several)
        return concatenated([each.numpy() for each in tensors])

    def predict(samples: FloatArray) -> FloatArray:
        size = batch if isinstance(batch, int) else len(samples)
        short = -len(samples) % size
        padded = np.concatenate([samples, np.repeat(samples[-1:], short, axis=0)])
        with torch.no_grad():
            parts = [run(padded[start : start + size]) for start in range(0, len(padded), size)]
        return np.concatenate(parts)[: len(samples)]

    return predict
