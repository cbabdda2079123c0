"""Precisions as people write them: each number format has one spelling, so it is one design."""

import re
from typing import get_args

from tasks.core.records.base import Rounding, Saturation

AUTO = "auto"
_WRITTEN = re.compile(r"(?P<vendor>ap_|ac_)?(?P<kind>u?fixed|u?int)<(?P<fields>[\w ,-]+)>")
_SIGNED = {"true": True, "1": True, "false": False, "0": False}


def canonical(text: str) -> str | None:
    """Return the one spelling of a precision; None if it is none of fixed-point numbers.

    `ap_fixed<16, 6, AP_TRN>`, `ac_fixed<16,6,true>` and `fixed<16,6>` are the same.
    """
    if text.strip().lower() == AUTO:
        return AUTO
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    fields = [each.strip() for each in found["fields"].split(",")]
    kind = found["kind"]
    sizes = 2 if kind.endswith("fixed") else 1
    numbers, modes = fields[:sizes], fields[sizes:]
    if found["vendor"] == "ac_":
        if kind.startswith("u"):
            return None  # there is no such type: signedness is a field
        if modes and modes[0].lower() in _SIGNED:
            kind = kind if _SIGNED[modes.pop(0).lower()] else f"u{kind}"
    if not _are_sizes(numbers, sizes) or (modes and sizes == 1):
        return None
    behaviour = _behaviour(modes)
    if behaviour is None:
        return None
    return f"{kind}<{','.join([*(str(int(each)) for each in numbers), *behaviour])}>"


def _are_sizes(numbers: list[str], count: int) -> bool:
    whole = [re.fullmatch(r"-?[0-9]{1,4}", each) for each in numbers]
    return len(numbers) == count and all(whole) and int(numbers[0]) >= 1


def _behaviour(modes: list[str]) -> list[str] | None:
    """Return rounding, saturation and its bits without what is the default anyway."""
    defaults: list[tuple[str, tuple[str, ...]]] = [
        ("TRN", get_args(Rounding)),
        ("WRAP", get_args(Saturation)),
        ("0", tuple(map(str, range(10)))),
    ]
    names = [each.upper().removeprefix("AP_").removeprefix("AC_") for each in modes]
    if len(names) > len(defaults):
        return None
    if any(name not in known for name, (_, known) in zip(names, defaults, strict=False)):
        return None
    while names and names[-1] == defaults[len(names) - 1][0]:
        names.pop()
    return names
