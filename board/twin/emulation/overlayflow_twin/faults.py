"""Faults that are set on this twin from outside: a file for each, its value inside."""

import os
from pathlib import Path

_DIRECTORY = os.environ.get("OVERLAYFLOW_TWIN_FAULTS")


def fault(name: str) -> "str | None":
    """The value of a fault, asked for again whenever it matters; None while it is not set."""
    if _DIRECTORY is None:
        return None
    try:
        return Path(_DIRECTORY, name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
