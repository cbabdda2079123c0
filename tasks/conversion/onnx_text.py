"""Recognises an ONNX file, and finds the external files with its weights."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.conversion import bombs
from tasks.core.errors import InputError, UnsupportedModelError

IR_VERSION = 0x08  # the first field of the protobuf message, a small number
NEWEST_IR = 0x20
_SHOWN = 80  # characters of a name in a message
_HEAD = 1 << 12
# How the text forms of onnx begin, by its names for them.
_TEXT: Mapping[str, re.Pattern[bytes]] = {
    "json": re.compile(rb'\s*\{\s*"ir_?version"', re.IGNORECASE),
    "onnxtxt": re.compile(rb"\s*<\s*ir_version\s*:"),
    "textproto": re.compile(rb"\s*ir_version\s*:"),
}


def looks_like(path: Path) -> bool:
    """Return whether a file begins like an exported ONNX file, or like a text form of one."""
    start = _head(path)
    binary = len(start) > 1 and start[0] == IR_VERSION and 0 < start[1] < NEWEST_IR
    return binary or _text_form(start) != ""


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _text_form(start: bytes) -> str:
    """Return the name of the text form that a file is in; empty if it is in none."""
    return next((form for form, begin in _TEXT.items() if begin.match(start)), "")


def external_files(path: Path) -> tuple[Path, ...]:
    """Return the external files with an ONNX file's weights.

    Raises:
        InputError: it is not an ONNX file, it is damaged or a text form, or an external file is
            missing, cut off, too large or a link.
        UnsupportedModelError: a file is outside of the model's directory.
    """
    needed: dict[str, int] = {}
    for tensor in _tensors(_read(path).graph):
        entry = {each.key: each.value for each in tensor.external_data}
        if name := entry.get("location"):
            try:
                end = int(entry.get("offset", 0)) + int(entry.get("length", 0))
            except ValueError:
                raise _damaged(path) from None
            needed[name] = max(end, needed.get(name, 0))
    for name, size in needed.items():
        _check(path, name, size)
    return tuple(path.parent / name for name in sorted(needed))


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield all tensors of a graph that may be in external files, as onnx looks for them."""
    yield from graph.initializer
    for attribute in (each for node in graph.node for each in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def _check(path: Path, name: str, size: int) -> None:
    """Refuse an external file that is elsewhere, missing, a link, too large or too small."""
    directory, shown = path.resolve().parent, repr(name[:_SHOWN])
    try:
        found = (directory / name).resolve()
        outside, there = not found.is_relative_to(directory), found.is_file()
    except (OSError, ValueError):  # no name that a file can have
        outside, there = False, False
    if outside:
        raise UnsupportedModelError(
            f"its weights are outside of its directory, in {shown}",
            where=str(path),
            remedy="put them next to the model: onnx.save(model, name, "
            "save_as_external_data=True, location='weights.bin')",
        )
    if not there:
        raise InputError(
            f"its weights are missing: {shown}",
            where=str(path),
            remedy=f"put {shown} next to the model",
        )
    if found != directory / name or found.stat().st_nlink > 1:
        raise InputError(
            f"its weights {shown} are a link, which onnx does not follow",
            where=str(path),
            remedy="put a copy of the file in the link's place",
        )
    bombs.require_size(found)
    if found.stat().st_size < size:
        raise InputError(
            f"its weights are cut off: {shown} has {found.stat().st_size:,} bytes of {size:,}",
            where=str(path),
            remedy="copy both files again from where the model was exported",
        )


def _read(path: Path) -> Any:
    import onnx

    if form := _text_form(_head(path)):
        raise InputError(
            f"is an ONNX model in a text form ({form}), and only the binary form is read",
            where=str(path),
            remedy=f"save it as binary: onnx.save(onnx.load({path.name!r}, format={form!r}), "
            f"{path.stem + '.onnx'!r})",
        )
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
