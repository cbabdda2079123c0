"""Recognises an ONNX file, and finds the external files with its weights."""

from pathlib import Path
from typing import Any

from tasks.core.errors import InputError, UnsupportedModelError

IR_VERSION = 0x08  # the first field of the protobuf message, a small number
NEWEST_IR = 0x20


def looks_like(path: Path) -> bool:
    """Return whether a file begins like an exported ONNX file."""
    with path.open("rb") as file:
        start = file.read(2)
    return len(start) == len(b"08") and start[0] == IR_VERSION and 0 < start[1] < NEWEST_IR


def external_files(path: Path) -> tuple[Path, ...]:
    """Return the external files with an ONNX file's weights.

    Raises:
        InputError: it is not an ONNX file, it is damaged, or an external file is missing.
        UnsupportedModelError: a file is outside of the model's directory.
    """
    names = sorted({_location(each) for each in _read(path).graph.initializer} - {""})
    directory = path.resolve().parent
    for name in names:
        found = (directory / name).resolve()
        if not found.is_relative_to(directory):
            raise UnsupportedModelError(
                f"its weights are outside of its directory, in {name}",
                where=str(path),
                remedy="put them next to the model: onnx.save(model, name, "
                "save_as_external_data=True, location='weights.bin')",
            )
        if not found.is_file():
            raise InputError(
                f"its weights are missing: {name}",
                where=str(path),
                remedy=f"put {name} next to the model",
            )
    return tuple(path.parent / name for name in names)


def _read(path: Path) -> Any:
    import onnx

    try:
        # Otherwise it reads a file named .json as JSON.
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except Exception as error:  # google.protobuf's, and others for damaged bytes
        raise _damaged(path) from error
    if not model.graph.node or not model.opset_import:
        raise _damaged(path)
    return model


def _damaged(path: Path) -> InputError:
    return InputError(
        "is not an ONNX model, or is damaged",
        where=str(path),
        remedy="export it again; --framework names another kind of file",
    )


def _location(tensor: Any) -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
