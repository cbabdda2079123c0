"""Code shared by the front ends of Keras 2 and 3."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tasks.conversion.dataset import FloatArray
from tasks.conversion.frontends import keras_check, keras_layers
from tasks.conversion.frontends.base import LoadedModel, Tensor, only, sample_shape

BATCH = 1024


def wrapped(model: Any, path: Path, *, block_design: bool) -> LoadedModel:
    """Wrap a loaded Keras model for hls4ml.

    Raises:
        UnsupportedModelError: it has several inputs or outputs, a dynamic axis, or a layer that
            cannot be converted.
    """
    keras_check.check(model, str(path))
    taken = only(model.inputs, "inputs", [each.name for each in model.inputs], path)
    given = only(model.outputs, "outputs", [each.name for each in model.outputs], path)

    def configure(backend: str) -> dict[str, Any]:
        from hls4ml.utils import config_from_keras_model

        config: dict[str, Any] = config_from_keras_model(model, granularity="name", backend=backend)
        return config

    def convert(**arguments: Any) -> Any:
        from hls4ml.converters import convert_from_keras_model

        return convert_from_keras_model(model, **arguments)

    kinds = {type(layer).__module__.split(".")[0] for layer in model.layers}
    return LoadedModel(
        tensor(taken),
        tensor(given, activation=keras_check.final_activation(model)),
        predictor(model),
        configure,
        convert,
        block_design,
        # By hls4ml's rules, quantising layers may be called several times and are split.
        layer_outputs=partial(keras_layers.layer_outputs, model) if block_design else None,
        open_formats=kinds <= {"keras", "tf_keras", "tasks"},  # the last has signs
    )


def predictor(model: Any) -> Callable[[FloatArray], FloatArray]:
    """Return the function that computes a model's outputs."""

    def predict(samples: FloatArray) -> FloatArray:
        return np.asarray(model.predict(samples, batch_size=BATCH, verbose=0), dtype=np.float32)

    return predict


def tensor(found: Any, name: str = "", activation: str = "") -> Tensor:
    """Describe a Keras tensor, by default under its own name."""
    dtype = getattr(found.dtype, "name", found.dtype)  # TensorFlow's, or text
    shape = sample_shape(name or found.name, tuple(found.shape))
    return Tensor(name or found.name, shape, dtype, activation=activation)
