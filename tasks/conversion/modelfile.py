"""Model files: told apart cheaply, loaded safely."""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from tasks.core.errors import InputError, UnsupportedModelError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def check(path: Path) -> str:
    """SHA-256 of a file that looks like a Keras model; reads no more than its bytes.

    Raises:
        InputError: no such file, or neither a whole .keras archive nor HDF5.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=str(path), remedy="give a .keras or .h5 file"
        ) from None
    if not content.startswith(HDF5_MAGIC) and not _is_keras_archive(path):
        raise InputError(
            "is no Keras model, or a damaged one",
            where=str(path),
            remedy="save the model with model.save('name.keras')",
        )
    return hashlib.sha256(content).hexdigest()


def _is_keras_archive(path: Path) -> bool:
    """Whether the file is an archive as Keras writes it, whole and undamaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return False
            json.loads(archive.read("config.json"))
            return "model.weights.h5" in archive.namelist()
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, KeyError):
        return False


def load(path: Path) -> Any:
    """The Keras model, with one input and one output tensor; imports TensorFlow.

    Custom code in the file is refused (Keras safe_mode): a model file is untrusted input.

    Raises:
        UnsupportedModelError: the file cannot be loaded safely, or the model has several
            inputs or outputs.
    """
    if names_hgq(path):
        import hgq  # noqa: F401  registers its layers with Keras
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UnsupportedModelError(
            f"Keras cannot load it: {reason[0].split('. ')[0]}",
            where=str(path),
            remedy="save it with the Keras version of this environment, without Lambda layers "
            "or custom classes",
        ) from error
    for kind, tensors in (("inputs", model.inputs), ("outputs", model.outputs)):
        if len(tensors) != 1:
            raise UnsupportedModelError(
                f"has {len(tensors)} {kind} ({', '.join(tensor.name for tensor in tensors)})",
                where=str(path),
                remedy=f"the accelerator's stream carries one tensor each way: join the {kind}",
            )
    return model


def names_hgq(path: Path) -> bool:
    """Whether a model file names HGQ2 layers; told from its configuration, nothing is loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _mentions(json.loads(archive.read("config.json")), "hgq")
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, KeyError):  # HDF5, or damaged
        return False


def _mentions(config: Any, package: str) -> bool:
    """Whether a Keras config names a layer that is registered under `package`."""
    if isinstance(config, dict):
        names = (config.get("module"), config.get("registered_name"))
        found = any(isinstance(name, str) and name.split(".")[0] == package for name in names)
        return found or any(_mentions(value, package) for value in config.values())
    if isinstance(config, list):
        return any(_mentions(value, package) for value in config)
    return False


def uses_hgq(model: Any) -> bool:
    """Whether the model has HGQ2 layers, which carry their own precisions."""
    return any(type(layer).__module__.split(".")[0] == "hgq" for layer in model.layers)
