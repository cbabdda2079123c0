"""An entry to build, and an empty store."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.core.records.base import Entry
from tasks.core.records.design import FixedPoint
from tasks.store.store import Store, digest

ROOT = Path(__file__).resolve().parents[3]
INPUTS = {"model": "abc", "period": 10.0}
ENTRY = Entry(step="convert", digest=digest("convert", INPUTS))
RECORD = FixedPoint(width=8, integer=3)


def other(number: int) -> Entry:
    return Entry(step="package", digest=digest("package", {"number": number}))


def build(files: Path) -> FixedPoint:
    (files / "sub").mkdir()
    (files / "sub/a.txt").write_text("content")
    (files / "tool.sh").write_text("#!/bin/sh\n")
    (files / "tool.sh").chmod(0o755)
    (files / "convert.log").write_text("log")
    return RECORD


def never(files: Path) -> FixedPoint:
    raise AssertionError(f"built again in {files}")


def get(store: Store, builder: Callable[[Path], FixedPoint] = never) -> FixedPoint:
    return store.get_or_build(ENTRY, INPUTS, FixedPoint, builder, label="digits")


def everything(root: Path) -> set[str]:
    """Return all files of a store, without the locks' empty directory."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def filled(root: Path, sizes: list[int]) -> Store:
    """Return a store with entries that were used one after the other, the first longest ago."""
    for number, size in enumerate(sizes):
        entry = other(number)

        def fill(files: Path, size: int = size) -> FixedPoint:
            (files / "data").write_bytes(bytes(size))
            return RECORD

        Store(root).get_or_build(entry, {"number": number}, FixedPoint, fill, label=str(number))
        used = time.time() - 86400 * (len(sizes) - number)
        os.utime(root / "package" / entry.digest / "entry.json", (used, used))
    return Store(root)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
