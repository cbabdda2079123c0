"""What a front end makes of a model file."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tasks.conversion.dataset import FloatArray
from tasks.core.errors import UnsupportedModelError

Outputs = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model, as the framework has it.

    Attributes:
        shape: of one sample, without the batch axis.
        axes: the order in which hls4ml's tensor has the axes of a sample; None for the same one.
        activation: name of the activation that an output comes from; empty if it is not known.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    axes: tuple[int, ...] | None = None
    activation: str = ""

    def arranged(self, samples: FloatArray) -> FloatArray:
        """Return samples of the framework in hls4ml's order of axes."""
        if self.axes is None:
            return samples
        order = (0, *(axis + 1 for axis in self.axes))
        return np.ascontiguousarray(samples.transpose(order))


@dataclass(frozen=True)
class LoadedModel:
    """A model that its framework computes and hls4ml converts.

    Attributes:
        predict: the framework's outputs for samples in the framework's order of axes.
        configure: hls4ml's configuration of every layer, for a backend of that name.
        convert: hls4ml's converter, which takes that configuration as `hls_config`, and the
            backend's arguments.
        block_design: whether hls4ml's backend VivadoAccelerator takes it.
        several_inputs: the tensors whose elements lie one behind the other in `input`, where the
            model itself has several; else none.
        several_outputs: the same for `output`.
        layer_outputs: the framework's outputs for samples, of the layers that hls4ml's graph has
            under these names; None where the framework cannot tell.
        open_formats: whether the model leaves number formats open: it has no quantizers.
    """

    input: Tensor
    output: Tensor
    predict: Callable[[FloatArray], FloatArray]
    configure: Callable[[str], dict[str, Any]]
    convert: Callable[..., Any]
    block_design: bool = True
    several_inputs: tuple[Tensor, ...] = ()
    several_outputs: tuple[Tensor, ...] = ()
    layer_outputs: Callable[[FloatArray, Collection[str]], Outputs] | None = None
    open_formats: bool = False

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the framework's model takes."""
        return self.several_inputs or (self.input,)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What the framework's model gives."""
        return self.several_outputs or (self.output,)


class FrontEnd(Protocol):
    """A module of this folder; it imports its framework only to load."""

    def load(self, path: Path) -> LoadedModel:
        """Load a model file without running code from it.

        Raises:
            UnsupportedModelError: the file is damaged, holds code, or its model has a form that
                no accelerator takes.
        """


def sample_shape(name: str, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return a tensor's shape without its batch axis.

    Raises:
        UnsupportedModelError: an axis other than the batch is open.
    """
    fixed = tuple(extent for extent in shape[1:] if extent)
    if len(fixed) != len(shape[1:]):
        raise UnsupportedModelError(
            f"its tensor {name} has shape {shape}: hardware needs fixed extents",
            remedy="give the model an input of fixed shape; only the batch axis may stay open",
        )
    return fixed


def only(tensors: list[Any], kind: str, names: list[str], path: Path) -> Any:
    """Return the model's one input or output.

    Raises:
        UnsupportedModelError: it has several, or none.
    """
    if len(tensors) != 1:
        raise UnsupportedModelError(
            f"has {len(tensors)} {kind} ({', '.join(names)})",
            where=str(path),
            remedy=f"the accelerator's stream carries one tensor each way: join the {kind} in the "
            "model; of Keras 3 several are read",
        )
    return tensors[0]
