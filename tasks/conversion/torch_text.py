"""Checks and cleans programs of torch.export without loading them.

torch.export.load runs code from a file: pickles, compiled libraries, guards, symbols that it
evaluates, modules that it imports, and operators that it looks up by any name below `torch`. Only a
copy is loaded here, which contains nothing but tensor operations and plain weights.
"""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from tasks.conversion.members import DAMAGE, parsed
from tasks.core.errors import InputError, UnsupportedModelError

# The members that are loaded; of others, those that would run if they were.
PARTS = re.compile(
    r"models/\w+\.json|data/(weights/(\w+_weights_config\.json|weight_\d+)"
    r"|constants/(\w+_constants_config\.json|tensor_\d+))"
    r"|archive_format|archive_version|byteorder|\.data/\w+"
)
CODE = re.compile(r"data/(aotinductor|weights|constants)/.+")
PLAIN = re.compile(r"(weight|tensor)_\d+")
# Of these, tensors are put together again without importing anything.
STRUCTURES = re.compile(r"builtins\.(tuple|list|dict)|collections\.(OrderedDict|namedtuple)")
OPERATION = re.compile(r"torch\.ops\.aten\.\w+\.\w+|_operator\.getitem")
SYMBOL = re.compile(r"-?\d+|Symbol\('s\d+'(?:, (?:positive|integer)=True)*\)")
MARK, MODEL = "archive_format", "models/model.json"
PICKLE = b"\x80"
EXPORT = (
    "export it where its code is:\n"
    "       program = torch.export.export(model.eval(), (example_input,))\n"
    "       torch.export.save(program, 'model.pt2')"
)
EXPORT_SKLEARN = (
    "export it where it was trained:\n"
    "       from skl2onnx import to_onnx\n"
    "       open('model.onnx', 'wb').write(to_onnx(model, X[:1]).SerializeToString())"
)


def looks_like(path: Path) -> bool:
    """Return whether a file is a program of torch.export.

    Raises:
        UnsupportedModelError: it is a pickle or TorchScript, which are code.
    """
    with path.open("rb") as file:
        start = file.read(1 << 20)
    if start.startswith(PICKLE):
        raise _code(path, "a pickle", EXPORT_SKLEARN if b"sklearn" in start else EXPORT)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError):
        return False
    if members and members[0].header_offset:
        return False  # cut off, it may end with a complete archive: that of the sample inputs
    names = {member.filename.partition("/")[2] for member in members}
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        raise _code(path, "a TorchScript", EXPORT)
    if "data.pkl" in names:
        raise _code(path, "a pickle", EXPORT)
    return MARK in names


def harmless(path: Path) -> bytes:
    """Return a program of torch.export without anything that loading would run.

    Raises:
        InputError: it is not such a file, or is damaged.
        UnsupportedModelError: it needs anything but tensors and tensor operations.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise _damaged(path)
            members = {name: archive.read(name) for name in archive.namelist()}
            # A truncated file may end with a complete archive, that of the sample inputs.
            if not {MARK, MODEL} <= {name.partition("/")[2] for name in members}:
                raise _damaged(path)
            return _copied(members, path)
    except DAMAGE as error:
        raise _damaged(path) from error


def _copied(members: dict[str, bytes], path: Path) -> bytes:
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as archive:
        for name, content in members.items():
            _, _, inside = name.partition("/")
            if inside.startswith("data/sample_inputs/"):
                archive.writestr(name, b"")
            elif CODE.fullmatch(inside) and not PARTS.fullmatch(inside):
                raise _member(inside, path)
            elif inside.startswith("models/"):
                archive.writestr(name, json.dumps(_checked(parsed(content), path)))
            elif inside.endswith("_config.json"):
                _check_weights(parsed(content), path)
                archive.writestr(name, content)
            elif PARTS.fullmatch(inside):
                archive.writestr(name, content)
    return copy.getvalue()


def _checked(value: Any, path: Path) -> Any:
    """Return a part of the program without comments and guards.

    Raises:
        UnsupportedModelError: an operation or symbol is not a tensor's.
    """
    if isinstance(value, list):
        return [_checked(each, path) for each in value]
    if not isinstance(value, dict):
        return value
    target, symbol = value.get("target"), value.get("expr_str")
    if isinstance(target, str) and not OPERATION.fullmatch(target):
        raise UnsupportedModelError(
            f"calls {target[:80]}, which is not a tensor operation",
            where=str(path),
            remedy="export a model of PyTorch's own layers",
        )
    if isinstance(symbol, str) and not SYMBOL.fullmatch(symbol):
        raise UnsupportedModelError(
            f"has a shape that depends on the input: {symbol[:80]}",
            where=str(path),
            remedy="export it with an example input of fixed shape; only the batch may be dynamic",
        )
    for spec in (value.get("in_spec"), value.get("out_spec")):
        if isinstance(spec, str):
            _check_structure(parsed(spec), path)
    emptied: dict[str, Any] = {"metadata": {}, "guards_code": []}
    return {name: emptied.get(name, _checked(each, path)) for name, each in value.items()}


def _check_weights(config: dict[str, Any], path: Path) -> None:
    for name, entry in config["config"].items():
        if entry["use_pickle"] or not PLAIN.fullmatch(entry["path_name"]):
            raise _member(name, path)


def _check_structure(spec: Any, path: Path) -> None:
    """Refuse a structure of inputs or outputs for which PyTorch would import a module."""
    if isinstance(spec, list):
        for each in spec:
            _check_structure(each, path)
    elif isinstance(spec, dict):
        kind = spec.get("type")
        if kind is not None and not STRUCTURES.fullmatch(str(kind)):
            raise UnsupportedModelError(
                f"takes or returns a {str(kind)[:80]}",
                where=str(path),
                remedy="export a model that takes and returns tensors, or tuples of them",
            )
        _check_structure(spec.get("children_spec"), path)


def _member(name: str, path: Path) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"contains {name[:80]} as a pickle or compiled code: it is never loaded",
        where=str(path),
        remedy=EXPORT,
    )


def _code(path: Path, what: str, remedy: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"is {what}, which is code: it is never loaded", where=str(path), remedy=remedy
    )


def _damaged(path: Path) -> InputError:
    return InputError(
        "is not a program of torch.export, or is damaged", where=str(path), remedy=EXPORT
    )
