"""Identifies model files cheaply, without a framework and without running code in them."""

import re
from dataclasses import dataclass
from pathlib import Path

from tasks.conversion import bombs, keras_text, onnx_text, torch_text
from tasks.conversion.keras_text import Description
from tasks.core.digests import digest_of
from tasks.core.errors import InputError, UnsupportedModelError
from tasks.core.records.base import Framework, FrameworkChoice
from tasks.core.regular import unreadable

# Keras runs these layers from code in the file, or looks their functions up by name.
CODE = ("Lambda",)
QKERAS = re.compile(r"Q[A-Z]\w+|quantized_\w+")
HGQ1 = re.compile(r"HGQ>\w+|FixedPointQuantizer|H[A-Z][A-Za-z]*(?:1D|2D)?(?:BatchNorm)?|UnaryLUT")
KERAS_OWN = re.compile(r"Hard\w+|Hinge|Huber|He(?:Normal|Uniform)")
# Graph layers, whose code hls4ml has.
GARNET = ("GarNet", "GarNetStack")
PRUNED = re.compile(r"(?:Prune>)?PruneLowMagnitude")


@dataclass(frozen=True)
class ModelFile:
    """A model file and its front end.

    Attributes:
        framework: the front end that reads it.
        files: the file itself, and others that belong to it.
        environment: name of the directory with additional packages for the front end; empty for
            none.
        block_design: whether hls4ml's block design supports the model; not with HGQ layers.
    """

    framework: Framework
    files: tuple[Path, ...]
    environment: str = ""
    block_design: bool = True

    def digest(self) -> str:
        """Return the SHA-256 of the file; for several files, that of their digests."""
        return digest_of(self.files)


def identify(path: Path, framework: FrameworkChoice = "auto") -> ModelFile:
    """Identify a model file and its front end by its content, not its suffix.

    Args:
        path: of the model.
        framework: overrides the detected framework.

    Raises:
        InputError: no such file, a damaged or a huge one, or one that no front end reads.
        UnsupportedModelError: it contains code.
    """
    try:
        if path.is_dir():
            raise _directory(path)
        bombs.require_size(path)
        described = keras_text.describe(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if described is not None and framework != "onnx":
        return _keras(path, described, framework)
    found = _by_content(path) if framework == "auto" else framework
    if found == "onnx" or (not found and path.suffix == ".onnx"):
        return ModelFile("onnx", (path, *onnx_text.external_files(path)))
    if found == "pytorch" or (not found and path.suffix == ".pt2"):
        torch_text.harmless(path)
        return ModelFile("pytorch", (path,))
    raise InputError(
        "is damaged, or is not a model that a front end reads",
        where=str(path),
        remedy="docs/models.md lists the kinds; Keras writes one with model.save('name.keras')",
    )


def _by_content(path: Path) -> str:
    if onnx_text.looks_like(path):
        return "onnx"
    return "pytorch" if torch_text.looks_like(path) else ""


def _keras(path: Path, described: Description, framework: FrameworkChoice) -> ModelFile:
    if described.config is None:
        raise InputError(
            "contains only weights",
            where=str(path),
            remedy="give the architecture's NAME.json with this file next to it as "
            "NAME_weights.h5, or save both with model.save('name.keras')",
        )
    for name in CODE:
        if name in described.classes:
            raise UnsupportedModelError(
                f"contains a {name} layer, which is code in the file: it is never run",
                where=str(path),
                remedy="replace it by layers of Keras, or by a preprocessing step in numpy before "
                "the model",
            )
    files = (path, *_weights(path)) if keras_text.is_architecture(path) else (path,)
    if framework == "keras2" or (framework == "auto" and not described.version.startswith("3")):
        extra = {name for name in described.classes if _beyond_keras2(name)}
        hgq = any(HGQ1.fullmatch(name) for name in extra)
        return ModelFile("keras2", files, "keras2" if extra else "", not hgq)
    packages = described.packages
    if framework == "qkeras" or (framework == "auto" and "qkeras" in packages - {"hgq"}):
        return ModelFile("qkeras", files, "qkeras")
    return ModelFile("keras", files, "", "hgq" not in packages)


def _beyond_keras2(name: str) -> bool:
    """Return whether a class named in a Keras 2 file needs QKeras, HGQ or the pruning toolkit."""
    if KERAS_OWN.fullmatch(name):
        return False
    return name in GARNET or any(names.fullmatch(name) for names in (QKERAS, HGQ1, PRUNED))


def _weights(architecture: Path) -> tuple[Path, ...]:
    found = keras_text.weights_beside(architecture)
    if found is None:
        raise InputError(
            "is an architecture without weights",
            where=str(architecture),
            remedy=f"put {architecture.stem}_weights.h5 of model.save_weights() beside it",
        )
    bombs.require_size(found)
    if not keras_text.is_hdf5(found):
        raise InputError(
            "is damaged, or is not an HDF5 file of weights",
            where=str(found),
            remedy=f"save it again with model.save_weights('{found.name}')",
        )
    return (found,)


def _directory(path: Path) -> InputError:
    if (path / "saved_model.pb").is_file():
        return InputError(
            "is a SavedModel, which contains a TensorFlow program instead of layers",
            where=str(path),
            remedy="save the layers where it was made: "
            f"tf.keras.models.load_model('{path.name}').save('{path.name}.h5')",
        )
    return InputError("is a directory", where=str(path), remedy="give a model file")
