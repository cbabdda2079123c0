"""Reads a Keras file's metadata: version, layers, and the packages that their code comes from."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.conversion.members import DAMAGE, parsed

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


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, and complete."""
    import h5py

    try:
        h5py.File(path, "r").close()
    except OSError:
        return False
    return True


def _in_archive(path: Path) -> Description | None:
    """Read a .keras archive, unless it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open("model.weights.h5") as weights:
                start = weights.read(len(HDF5_MAGIC))
            if archive.testzip() is not None or start != HDF5_MAGIC:
                return None
            config = parsed(archive.read("config.json"))
            about = parsed(archive.read("metadata.json"))
    except DAMAGE:
        return None
    version = about.get("keras_version") if isinstance(about, dict) else None
    if not isinstance(version, str) or not _is_model(config):
        return None
    return Description(version, config)


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
    try:
        version = _text(attributes.get("keras_version", ""))
        described = parsed(_text(config)) if config is not None else None
    except ValueError:
        return None
    return Description(version, described) if config is None or _is_model(described) else None


def _in_json(path: Path) -> Description | None:
    try:
        config = parsed(path.read_text())
    except (OSError, ValueError):
        return None
    if not _is_model(config):
        return None
    return Description(str(config.get("keras_version", "2")), config)


def _is_model(config: Any) -> bool:
    return isinstance(config, dict) and {"class_name", "config"} <= config.keys()


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
