"""Keras 3 and HGQ2: .keras archives and HDF5 files of Keras 3."""

from pathlib import Path

from tasks.conversion.frontends.base import LoadedModel
from tasks.conversion.frontends.keras_model import wrapped


def load(path: Path) -> LoadedModel:
    """Load a model of Keras 3; its safe mode refuses code in the file."""
    import hgq  # noqa: F401  registers its layers with Keras
    import keras

    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    hgq2 = any(type(layer).__module__.split(".")[0] == "hgq" for layer in model.layers)
    return wrapped(model, path, block_design=not hgq2)
