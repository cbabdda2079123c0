"""Reads QKeras models for Keras 3 (qkeras-v3) from .keras archives.

hls4ml 1.3 only reads QKeras layers of Keras 2. Its handlers are reused here for Keras 3, with the
quantizers that replace activation functions.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.conversion.frontends import keras3_join, keras_check
from tasks.conversion.frontends.base import LoadedModel
from tasks.conversion.frontends.keras_model import wrapped


def load(path: Path) -> LoadedModel:
    """Load a model with QKeras layers, and teach hls4ml to read them."""
    import keras
    import qkeras  # noqa: F401  registers its layers and quantizers with Keras

    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    model.name = "model"  # TensorFlow computes none whose name has a space or a slash
    _teach_hls4ml()
    keras_check.check_built(model, str(path))
    return wrapped(model, keras3_join.joined(model), path, block_design=True)


def _teach_hls4ml() -> None:
    from hls4ml.converters.keras_v2_to_hls import layer_handlers as keras2_handlers
    from hls4ml.converters.keras_v3 import layer_handlers

    for name in keras2_handlers:
        if name.startswith("Q"):
            layer_handlers[name] = _parse


def _parse(layer: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    """Return hls4ml's description of a QKeras layer and of the quantizer after it."""
    from hls4ml.converters.keras_v2_to_hls import KerasWrappedLayerReader, layer_handlers

    config = json.loads(json.dumps(layer.get_config(), default=_as_config))
    handle = layer_handlers[type(layer).__name__]
    shapes = [list(tensor.shape) for tensor in inputs]
    names = [tensor.name for tensor in inputs]
    described = {"class_name": type(layer).__name__, "config": config}
    parsed, _ = handle(described, names, shapes, KerasWrappedLayerReader(layer))
    parsed |= {
        "input_keras_tensor_names": names,
        "output_keras_tensor_names": [tensor.name for tensor in outputs],
    }
    quantizer = parsed.get("activation")
    recurrent = type(layer).__name__ in ("QSimpleRNN", "QLSTM", "QGRU")
    if type(layer).__name__ == "QActivation" or recurrent or quantizer in (None, "linear"):
        return (parsed,)
    between = f"{outputs[0].name}_exact"
    kind = "QActivation" if isinstance(quantizer, dict) else "Activation"
    activation = {
        "class_name": kind,
        "config": {"name": f"{layer.name}_activation", "activation": quantizer},
    }
    shape = [list(tensor.shape) for tensor in outputs]
    applied, _ = layer_handlers[kind](activation, [between], shape, None)
    applied |= {
        "input_keras_tensor_names": [between],
        "output_keras_tensor_names": parsed["output_keras_tensor_names"],
    }
    return {**parsed, "output_keras_tensor_names": [between]}, applied


def _as_config(value: Any) -> Any:
    """Return the configuration of a quantizer, which a layer keeps as an object."""
    import keras

    return keras.saving.serialize_keras_object(value)
