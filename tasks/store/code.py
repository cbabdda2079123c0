"""The digest of code that makes a result, so that a changed program makes another store entry."""

import ast
import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


@cache
def code_digest(*names: str) -> str:
    """Return the SHA-256 (hex) of modules, packages with all their files, and single files.

    Comments, docstrings and the layout of Python code do not count.

    Args:
        names: relative to the root of the sources, e.g. `tasks/toolchains/cores`.

    Raises:
        FileNotFoundError: there is no such file or directory.
    """
    content = hashlib.sha256()
    for name in names:
        place = _ROOT / name
        files = [place] if place.is_file() else _sources(place)
        for file in files:
            text = _code(file.read_text(encoding="utf-8")) if file.suffix == ".py" else ""
            data = text.encode() or file.read_bytes()
            content.update(f"{file.relative_to(_ROOT)} {len(data)}\n".encode() + data)
    return content.hexdigest()


def _sources(directory: Path) -> list[Path]:
    found = [path for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    if not found:
        raise FileNotFoundError(directory)
    return sorted(found)


def _code(text: str) -> str:
    """Return Python code without comments and docstrings, in one layout."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
