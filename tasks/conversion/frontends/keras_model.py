"""Wraps models of Keras 2 and 3 for hls4ml, with any number of inputs and outputs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tasks.conversion.dataset import FloatArray
from tasks.conversion.frontends import keras_check, keras_layers
from tasks.conversion.frontends.base import (
    LoadedModel,
    Tensor,
    concatenated,
    sample_shape,
    split,
)

BATCH = 1024


def wrapped(model: Any, one: Any, path: Path, *, block_design: bool) -> LoadedModel:
    """Wrap a loaded Keras model for hls4ml.

    Args:
        model: as it was saved; it computes the framework's outputs.
        one: what hls4ml converts: the same function with one input and one output.
        path: of the file, named in errors.
        block_design: whether hls4ml's backend VivadoAccelerator supports the model.

    Raises:
        UnsupportedModelError: it has a dynamic axis, or a layer that cannot be converted.
    """
    keras_check.check(one, str(path))

    def configure(backend: str) -> dict[str, Any]:
        from hls4ml.utils import config_from_keras_model

        config: dict[str, Any] = config_from_keras_model(one, granularity="name", backend=backend)
        return config

    def convert(**arguments: Any) -> Any:
        from hls4ml.converters import convert_from_keras_model

        return convert_from_keras_model(one, **arguments)

    kinds = {type(layer).__module__.split(".")[0] for layer in one.layers}
    return LoadedModel(
        tensor(one.inputs[0]),
        tensor(one.outputs[0], activation=keras_check.final_activation(one)),
        predictor(model),
        configure,
        convert,
        block_design,
        several_inputs=inputs(model),
        several_outputs=outputs(model),
        # By hls4ml's rules, quantising layers may be called several times and are split.
        layer_outputs=partial(keras_layers.layer_outputs, one) if block_design else None,
        open_formats=kinds <= {"keras", "tf_keras", "tasks"},  # the last has signs
    )


def inputs(model: Any) -> tuple[Tensor, ...]:
    """Return the inputs, named after their layers, of a model with several; else none."""
    if len(model.inputs) == 1:
        return ()
    return tuple(tensor(each, layer_of(each).name) for each in model.inputs)


def outputs(model: Any) -> tuple[Tensor, ...]:
    """Return the outputs, named after their layers, of a model with several; else none."""
    if len(model.outputs) == 1:
        return ()
    layers = [layer_of(each) for each in model.outputs]
    names = [layer.name for layer in layers]
    if len(set(names)) < len(names):  # a layer is called twice, or returns two tensors
        names = [f"{name}_{number}" for number, name in enumerate(names)]
    return tuple(
        tensor(each, name, keras_check.activation(layer))
        for each, name, layer in zip(model.outputs, names, layers, strict=True)
    )


def predictor(model: Any) -> Callable[[FloatArray], FloatArray]:
    """Return a function that computes a model's outputs; several inputs or outputs are joined."""
    from tensorflow import nest

    shapes = [tuple(each.shape[1:]) for each in model.inputs]

    def predict(samples: FloatArray) -> FloatArray:
        given: Any = split(samples, shapes) if len(shapes) > 1 else samples
        return concatenated(nest.flatten(model.predict(given, batch_size=BATCH, verbose=0)))

    return predict


def layer_of(found: Any) -> Any:
    """Return the layer that a Keras tensor comes from."""
    return found._keras_history[0]  # noqa: SLF001  as clone_model


def layer_names(tensors: list[Any]) -> str:
    """Return the names of the layers that tensors come from, for a message."""
    return ", ".join(layer_of(each).name for each in tensors)


def tensor(found: Any, name: str = "", activation: str = "") -> Tensor:
    """Describe a Keras tensor, by default under its own name."""
    dtype = getattr(found.dtype, "name", found.dtype)  # TensorFlow's, or text
    shape = sample_shape(name or found.name, tuple(found.shape))
    return Tensor(name or found.name, shape, dtype, activation=activation)
