"""Reads the faults set on this twin: one file per fault, which contains its value."""

import os
from pathlib import Path

_DIRECTORY = os.environ.get("OVERLAYFLOW_TWIN_FAULTS")


def fault(name: str) -> "str | None":
    """Return the current value of a fault; None while it is not set."""
    if _DIRECTORY is None:
        return None
    try:
        return Path(_DIRECTORY, name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
