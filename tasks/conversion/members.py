"""Reads the members of archives that may be damaged, or made to do harm."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

# What opening, reading and parsing them raises. RuntimeError: encrypted, or in an unknown
# compression.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError),
    *(ValueError, KeyError, TypeError, AttributeError),
)
# Deeper than any real model; our walkers recurse at each level.
_DEEPEST = 100


def parsed(text: str | bytes) -> Any:
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
