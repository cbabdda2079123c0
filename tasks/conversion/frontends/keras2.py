"""Reads Keras 2 with QKeras 0.9, HGQ 1, GarNet and pruned layers: HDF5, .keras, .json with weights.

`tf_keras` is Keras 2, maintained for current TensorFlow. In this process it replaces `keras` for
QKeras, HGQ and hls4ml, which then uses its code for Keras 2.
"""

import logging
import os
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tasks.conversion.frontends import keras2_join, keras2_rewrites, keras_check
from tasks.conversion.frontends.base import LoadedModel
from tasks.conversion.frontends.keras_model import wrapped
from tasks.conversion.keras_text import is_architecture, weights_beside
from tasks.conversion.modelfile import GARNET
from tasks.core.errors import UnsupportedModelError

log = logging.getLogger(__name__)


def load(path: Path) -> LoadedModel:
    """Load a model of Keras 2; `modelfile` has refused code in it."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tf_keras

    from tasks.conversion.frontends import keras2_signs

    sys.modules["keras"] = tf_keras
    with tf_keras.utils.custom_object_scope(_layers_of_others(tf_keras, keras2_signs.known())):
        model = _stripped(_read(tf_keras, path))
        keras_check.check_built(model, str(path))
        one = keras2_join.joined(keras2_rewrites.rewritten(model))
    keras2_signs.check(model, str(path))
    if any(type(layer).__name__ in GARNET for layer in model.layers):
        return _garnet(model, one, path)
    if not any(type(layer).__module__.split(".")[0] == "HGQ" for layer in model.layers):
        return wrapped(model, one, path, block_design=True)
    return _hgq(model, one, path)


def _read(tf_keras: Any, path: Path) -> Any:
    if not is_architecture(path):
        return tf_keras.models.load_model(path, compile=False)
    model = tf_keras.models.model_from_json(path.read_text())
    model.load_weights(weights_beside(path))
    return model


def _layers_of_others(tf_keras: Any, known: dict[str, Any]) -> dict[str, Any]:
    """Return layers, functions and quantizers that Keras has not, by their names in files."""
    if find_spec("HGQ") is None:  # this process's model needs no package
        return known
    import HGQ.layers
    import HGQ.proxy  # noqa: F401  both register their layers
    import qkeras.utils
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_wrapper

    from tasks.conversion.frontends import keras2_garnet

    known["PruneLowMagnitude"] = pruning_wrapper.PruneLowMagnitude
    known |= keras2_garnet.known()
    qkeras.utils._add_supported_quantized_objects(known)  # noqa: SLF001  it has no public name
    registered = tf_keras.saving.get_custom_objects()
    hgq = {name: each for name, each in registered.items() if name.startswith("HGQ>")}
    return known | {name.removeprefix("HGQ>"): each for name, each in hgq.items()}


def _stripped(model: Any) -> Any:
    """Return the model without the wrappers that prune weights during training."""
    pruned = [layer.name for layer in model.layers if type(layer).__name__ == "PruneLowMagnitude"]
    if not pruned:
        return model
    from tensorflow_model_optimization.sparsity.keras import strip_pruning

    log.info("removed the pruning wrappers from %s", ", ".join(pruned))
    return strip_pruning(model)


def _garnet(model: Any, one: Any, path: Path) -> LoadedModel:
    """Return a model of graph layers, with the range of the inputs that count vertices."""
    from tasks.conversion.frontends import keras2_garnet

    keras2_garnet.check(model, str(path))
    loaded = wrapped(model, one, path, block_design=True)
    most = keras2_garnet.counts(model)
    several = tuple(replace(each, most=most.get(each.name, 0)) for each in loaded.several_inputs)
    return replace(loaded, several_inputs=several)


def _hgq(model: Any, one: Any, path: Path) -> LoadedModel:
    """Return a proxy of an HGQ model, in which every format is a separate layer."""
    if not any(type(layer).__name__ == "FixedPointQuantizer" for layer in model.layers):
        raise UnsupportedModelError(
            "is an HGQ model without the ranges of its values, which Keras does not save",
            where=str(path),
            remedy="run trace_minmax where it was trained, and save what hls4ml converts: "
            "HGQ.proxy.to_proxy_model(model, aggressive=True).save('name.h5')",
        )
    if len(model.inputs) > 1:
        raise UnsupportedModelError(
            f"is an HGQ 1 model with {len(model.inputs)} inputs, and hls4ml derives its number "
            "formats from one input only",
            where=str(path),
            remedy="train it with HGQ2, or with one input that contains the elements of all",
        )
    proxy = wrapped(model, one, path, block_design=False)

    def configure(backend: str) -> dict[str, Any]:
        config = proxy.configure(backend)
        for layer in config["LayerName"].values():
            for key in ("Precision", "ParallelizationFactor"):
                layer.pop(key, None)  # as a user setting it would override the proxy's
        return config

    return replace(proxy, configure=configure)
