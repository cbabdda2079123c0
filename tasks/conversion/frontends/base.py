"""The interface of front ends, and the loaded model that they return."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tasks.conversion.dataset import FloatArray
from tasks.core.errors import OverlayflowError, UnsupportedModelError

Outputs = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model in the framework.

    Attributes:
        shape: of one sample, without the batch axis.
        axes: order of a sample's axes in hls4ml's tensor; None if the same.
        activation: name of the activation that computes an output; empty if unknown.
        most: the largest number of an input that counts something, from 1; 0 for other inputs.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    axes: tuple[int, ...] | None = None
    activation: str = ""
    most: int = 0

    def arranged(self, samples: FloatArray) -> FloatArray:
        """Return the framework's samples in hls4ml's order of axes."""
        if self.axes is None:
            return samples
        order = (0, *(axis + 1 for axis in self.axes))
        return np.ascontiguousarray(samples.transpose(order))


@dataclass(frozen=True)
class LoadedModel:
    """A model that its framework computes and hls4ml converts.

    Attributes:
        predict: computes the framework's outputs for samples in its order of axes.
        configure: returns hls4ml's configuration of every layer for a named backend.
        convert: hls4ml's converter, which takes that configuration as `hls_config` and the
            backend's arguments.
        block_design: whether hls4ml's backend VivadoAccelerator supports the model.
        several_inputs: the tensors concatenated in `input` if the model has several; else none.
        several_outputs: the same for `output`.
        layer_outputs: computes the framework's outputs, by layer of a graph that hls4ml has
            converted; None if the framework cannot.
        open_formats: whether the model leaves number formats open, so that they can be chosen;
            those of a softmax always are.
    """

    input: Tensor
    output: Tensor
    predict: Callable[[FloatArray], FloatArray]
    configure: Callable[[str], dict[str, Any]]
    convert: Callable[..., Any]
    block_design: bool = True
    several_inputs: tuple[Tensor, ...] = ()
    several_outputs: tuple[Tensor, ...] = ()
    layer_outputs: Callable[[FloatArray, Any], Outputs] | None = None
    open_formats: bool = False

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The inputs of the framework's model."""
        return self.several_inputs or (self.input,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The outputs of the framework's model."""
        return self.several_outputs or (self.output,)


def split(row: FloatArray, shapes: Sequence[tuple[int, ...]]) -> list[FloatArray]:
    """Return the tensors that are concatenated in each row of samples.

    Args:
        row: samples x elements; a single tensor keeps its shape.
        shapes: of one sample of each tensor.
    """
    if len(shapes) == 1:
        return [row]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(row, ends[:-1], axis=1)
    pairs = zip(parts, shapes, strict=True)
    return [part.reshape(len(row), *shape) for part, shape in pairs]


def concatenated(tensors: Sequence[npt.NDArray[Any]]) -> FloatArray:
    """Return tensors of samples as one row a sample; a single one keeps its shape."""
    flat = [np.reshape(each, (len(each), -1)) for each in tensors]
    row = tensors[0] if len(tensors) == 1 else np.concatenate(flat, axis=1)
    return np.asarray(row, dtype=np.float32)


class FrontEnd(Protocol):
    """A module of this folder; it imports its framework only in `load`."""

    def load(self, path: Path) -> LoadedModel:
        """Load a model file without running code from it.

        Raises:
            UnsupportedModelError: the file is damaged or contains code, or no accelerator supports
                the form of its model.
        """


@contextmanager
def computing() -> Iterator[None]:
    """Turn any error of a framework that computes a model into one that says so."""
    try:
        yield
    except (OverlayflowError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnsupportedModelError(
            f"its framework cannot compute the model: {reason}",
            remedy="load the file there and call the model on a sample: it fails in the same way",
        ) from error


def sample_shape(name: str, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return a tensor's shape without its batch axis.

    Raises:
        UnsupportedModelError: an axis other than the batch is dynamic.
    """
    fixed = tuple(extent for extent in shape[1:] if extent)
    if len(fixed) != len(shape[1:]):
        raise UnsupportedModelError(
            f"its tensor {name} has shape {shape}: hardware needs fixed dimensions",
            remedy="give the model an input of fixed shape; only the batch axis may be dynamic",
        )
    return fixed
