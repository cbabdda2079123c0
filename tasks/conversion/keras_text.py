"""Reads a Keras file's metadata: version, layers, and the packages that their code comes from."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Deeper than any real model; our walkers recurse at each level.
_DEEPEST = 100
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
WEIGHTS = ("{}_weights.h5", "{}.weights.h5", "{}.h5")


@dataclass(frozen=True)
class Description:
    """A model's configuration.

    Attributes:
        version: of the Keras that wrote it; empty if the file does not say.
        config: its layers as written by Keras; None in a file with weights only.
    """

    version: str
    config: Any

    @property
    def classes(self) -> set[str]:
        """Return the names of all classes: layers, quantizers, initializers."""
        return {each["class_name"] for each in _objects(self.config)}

    @property
    def packages(self) -> set[str]:
        """Return the names of the packages of the classes, as far as the file says."""
        named = {
            str(each.get(key)).replace(">", ".").split(".")[0]
            for each in _objects(self.config)
            for key in ("module", "registered_name")
            if each.get(key)
        }
        return named - self.classes


def layers(path: Path) -> tuple[str, ...]:
    """Return the names of the layers in a file of Keras 3, inner models' too; none of another."""
    described = describe(path)
    if described is None or not described.version.startswith("3"):
        return ()
    return all_layers(path)


def all_layers(path: Path) -> tuple[str, ...]:
    """Return the names of the layers in a file of any Keras, as `layers` does."""
    described = describe(path)
    return tuple(dict.fromkeys(_layer_names(described.config))) if described else ()


def _layer_names(model: Any) -> Iterator[str]:
    config = model.get("config") if isinstance(model, dict) else None
    inside = config.get("layers") if isinstance(config, dict) else None
    for layer in inside if isinstance(inside, list) else ():
        if isinstance(layer, dict) and isinstance(layer.get("config"), dict):
            yield str(layer["config"].get("name", layer.get("name", "")))
            yield from _layer_names(layer)


def describe(path: Path) -> Description | None:
    """Return a Keras file's metadata; None for a damaged one and for other files."""
    with path.open("rb") as file:
        start = file.read(len(HDF5_MAGIC))
    if start == HDF5_MAGIC:
        return _in_hdf5(path)
    if start.startswith(b"PK"):
        return _in_archive(path)
    return _in_json(path) if start.lstrip().startswith(b"{") else None


def is_architecture(path: Path) -> bool:
    """Return whether a Keras file is JSON, whose weights are in another file."""
    with path.open("rb") as file:
        return file.read(len(HDF5_MAGIC)).lstrip().startswith(b"{")


def weights_beside(architecture: Path) -> Path | None:
    """Return the weights file that belongs to an architecture's .json."""
    stem = architecture.stem
    stems = [stem, stem.removesuffix("_model"), stem.removesuffix("_arch")]
    names = [name.format(each) for each in stems for name in WEIGHTS]
    found = (architecture.with_name(name) for name in names)
    return next((path for path in found if path.is_file()), None)


def _in_archive(path: Path) -> Description | None:
    """Read a .keras archive, unless it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None or "model.weights.h5" not in archive.namelist():
                return None
            config = _json(archive.read("config.json"))
            about = _json(archive.read("metadata.json"))
            return Description(str(about["keras_version"]), config)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, KeyError, TypeError):
        return None


def _in_hdf5(path: Path) -> Description | None:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
            held = "model_weights" in file or "layer_names" in file.attrs
    except (OSError, RuntimeError, ValueError):  # truncated
        return None
    config = attributes.get("model_config")
    if not held and config is None:
        return None
    version = attributes.get("keras_version", "")
    try:
        return Description(_text(version), _json(_text(config)) if config else None)
    except ValueError:
        return None


def _in_json(path: Path) -> Description | None:
    try:
        config = _json(path.read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict) or not {"class_name", "config"} <= config.keys():
        return None
    return Description(str(config.get("keras_version", "2")), config)


def _json(text: str | bytes) -> Any:
    """Parse JSON; raise ValueError if it is invalid or nested too deeply."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level = [found]
    for _ in range(_DEEPEST):
        level = [each for item in level for each in _held(item)]
        if not level:
            return found
    raise ValueError("nested too deeply")


def _held(item: Any) -> Iterator[Any]:
    """Yield the values in a JSON list or object."""
    if isinstance(item, dict):
        yield from item.values()
    elif isinstance(item, list):
        yield from item


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of a configuration that names a class."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config
        for value in config.values():
            yield from _objects(value)
    elif isinstance(config, list):
        for value in config:
            yield from _objects(value)
