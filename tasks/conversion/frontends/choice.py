"""Lists the front ends, what each reads and needs, and how to install it."""

import importlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from pathlib import Path
from typing import cast

from tasks.conversion.frontends.base import FrontEnd, LoadedModel
from tasks.conversion.modelfile import ModelFile
from tasks.core.errors import OverlayflowError, ToolMissingError, UnsupportedModelError
from tasks.core.records.base import Framework
from tasks.core.requirements import Finding
from tasks.core.settings import frontend_packages

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """A front end, before it is imported.

    Attributes:
        reads: the files that it reads.
        module: in this folder.
        needs: the distributions that its results depend on; all must be installed.
        remedy: what to do about a file that it cannot load.
        get: the command that installs them.
    """

    reads: str
    module: str
    needs: tuple[str, ...]
    remedy: str
    get: str = "make env"


KINDS: Mapping[Framework, Kind] = {
    "keras": Kind(
        "Keras 3 and HGQ2: .keras, .h5",
        "keras3",
        ("keras", "tensorflow", "hgq2"),
        "save it with the Keras version of this environment, without custom classes; layers of "
        "HGQ2 and qkeras-v3 are supported",
    ),
    "keras2": Kind(
        "Keras 2: .h5, .keras, .json with weights",
        "keras2",
        ("tf_keras", "tensorflow"),
        "save it without custom classes; layers of QKeras 0.9 and HGQ 1, and pruned layers of "
        "tensorflow-model-optimization, are supported",
    ),
    "qkeras": Kind(
        "QKeras for Keras 3: .keras",
        "qkeras",
        ("keras", "tensorflow"),
        "save it with qkeras-v3 and Keras 3, without custom classes",
    ),
    "onnx": Kind(
        "ONNX and QONNX, also from scikit-learn: .onnx",
        "onnx_graph",
        ("onnx", "qonnx", "onnxruntime"),
        "export it again in float32 with a fixed input shape and without custom operators",
    ),
    "pytorch": Kind(
        "PyTorch: programs of torch.export, .pt2",
        "torch_program",
        ("torch", "onnxscript", "onnx", "qonnx", "onnxruntime"),
        "export it again, with the PyTorch of this environment or an older one",
        "make env-pytorch",
    ),
}
# Packages in conflict with this environment's are installed in separate directories, which come
# first on the conversion process's path.
PACKAGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "qkeras": ("QKeras for Keras 3", ("qkeras-v3",)),
    "keras2": (
        "QKeras 0.9, HGQ 1, GarNet and pruned layers in files of Keras 2",
        ("QKeras", "HGQ", "tensorflow-model-optimization"),
    ),
}
ALWAYS = ("hls4ml", "numpy")


def load(model: ModelFile) -> LoadedModel:
    """Load a model with its front end, importing the framework.

    Raises:
        UnsupportedModelError: the framework cannot load it, or no accelerator supports its form.
    """
    kind = KINDS[model.framework]
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime would report its use to its makers
    front_end = cast("FrontEnd", importlib.import_module(f"{__package__}.{kind.module}"))
    try:
        return front_end.load(model.files[0])
    except OverlayflowError:
        raise
    except Exception as error:  # each framework raises its own exceptions
        log.exception("%s cannot load %s", model.framework, model.files[0])
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UnsupportedModelError(
            f"{model.framework} cannot load it: {reason[0].split('. ')[0]}",
            where=str(model.files[0]),
            remedy=kind.remedy,
        ) from error


def versions(model: ModelFile) -> dict[str, str]:
    """Return the versions that a conversion depends on, from metadata, without imports.

    Raises:
        ToolMissingError: a package is missing; the message has the command that installs it.
    """
    kind = KINDS[model.framework]
    found = {}
    for name in (*ALWAYS, *kind.needs):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise _missing(model, name, kind.get) from None
    if model.environment:
        _, names = PACKAGES[model.environment]
        there = _in(frontend_packages(model.environment))
        for name in names:
            if name.lower() not in there:
                raise _missing(model, name, f"make env-{model.environment}")
            found[name] = there[name.lower()].version
    return found


def packages(model: ModelFile) -> Path | None:
    """Return the directory of packages that precedes this environment's, if there is one."""
    return frontend_packages(model.environment) if model.environment else None


def findings() -> list[Finding]:
    """Return each front end, and whether its packages are installed."""
    alone = [kind for name, kind in KINDS.items() if name != "qkeras"]  # shown with its packages
    return [*map(_finding, alone), *map(_directory, PACKAGES)]


def _finding(kind: Kind) -> Finding:
    try:
        detail = ", ".join(f"{name} {version(name)}" for name in kind.needs)
    except PackageNotFoundError as error:
        return Finding(
            name=kind.reads, ok=False, detail=f"no {error.name}", remedy=kind.get, optional=True
        )
    return Finding(name=kind.reads, ok=True, detail=detail)


def _directory(name: str) -> Finding:
    reads, names = PACKAGES[name]
    there = _in(frontend_packages(name))
    missing = [each for each in names if each.lower() not in there]
    if missing:
        detail = f"no {', '.join(missing)} at {frontend_packages(name)}"
        return Finding(
            name=reads, ok=False, detail=detail, remedy=f"make env-{name}", optional=True
        )
    detail = ", ".join(f"{each} {there[each.lower()].version}" for each in names)
    return Finding(name=reads, ok=True, detail=detail)


def _in(directory: Path) -> dict[str, Distribution]:
    return {each.name.lower(): each for each in distributions(path=[str(directory)])}


def _missing(model: ModelFile, package: str, command: str) -> ToolMissingError:
    return ToolMissingError(
        f"its front end, {model.framework}, needs {package}, which is not installed",
        where=str(model.files[0]),
        remedy=command,
    )
