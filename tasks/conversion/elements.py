"""Converts hls4ml's precisions to records."""

from typing import Any

from tasks.core.records.design import FixedPoint

WIDEST = 64  # bits of a FixedPoint


def plain(precision: Any) -> Any:
    """Return an element's precision; in io_stream a variable's type is a packed pixel."""
    return getattr(precision, "precision", precision)


def is_fixed_point(precision: Any) -> bool:
    """Return whether a precision of hls4ml is fixed-point or integer, with at least one bit."""
    from hls4ml.model import types

    kinds = (types.FixedPrecisionType, types.IntegerPrecisionType, types.XnorPrecisionType)
    return isinstance(precision, kinds) and precision.width >= 1


def fixed_point(precision: Any) -> FixedPoint | None:
    """Return hls4ml's precision object as a record; None if it cannot be represented.

    For integers hls4ml says that they round down, but ap_int truncates towards zero in C++.
    """
    from hls4ml.model.types import IntegerPrecisionType

    if not is_fixed_point(precision) or precision.width > WIDEST:
        return None
    modes = {}
    for name in ("rounding", "saturation"):
        mode = getattr(precision, f"{name}_mode", None)
        if mode is not None:
            modes[name] = str(mode).removeprefix("AP_")
    if isinstance(precision, IntegerPrecisionType):
        modes["rounding"] = "TRN_ZERO"
    return FixedPoint.model_validate(
        {
            "width": int(precision.width),
            "integer": int(getattr(precision, "integer", precision.width)),
            "signed": bool(precision.signed),
            **modes,
        }
    )
