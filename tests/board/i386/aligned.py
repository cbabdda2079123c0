"""ctypes structures whose 64-bit fields are aligned to 64 bits, as on ARM; i386 has 32 bits.

pynq's reader of .xclbin files says nothing about it: on ARM as on x86-64 it need not.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def _alignment(kind: Any) -> int:
    if issubclass(kind, ctypes.Array):
        return _alignment(kind._type_)
    if issubclass(kind, (ctypes.Structure, ctypes.Union)):
        return max(_alignment(field[1]) for field in kind._fields_)
    return ctypes.sizeof(kind)


def _padded(fields: Any) -> Iterator[tuple[str, Any]]:
    end, widest = 0, 1
    for name, kind in fields:
        gap = -end % _alignment(kind)
        if gap:
            yield f"_before_{name}", ctypes.c_ubyte * gap
        yield name, kind
        end += gap + ctypes.sizeof(kind)
        widest = max(widest, _alignment(kind))
    if end % widest:
        yield "_after", ctypes.c_ubyte * (-end % widest)


class _Padding(type(ctypes.Structure)):  # type: ignore[misc]  # it has no name
    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        fields = list(_padded(namespace.get("_fields_", ())))
        return super().__new__(cls, name, bases, {**namespace, "_fields_": fields})


class Structure(ctypes.Structure, metaclass=_Padding):
    """A structure of C as an ARM compiler lays it out."""
