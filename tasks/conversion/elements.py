"""hls4ml's precisions as records."""

from typing import Any

from tasks.core.records.design import FixedPoint

WIDEST = 64  # bits of a FixedPoint


def plain(precision: Any) -> Any:
    """Return an element's precision: in io_stream a variable's type packs one pixel."""
    return getattr(precision, "precision", precision)


def is_fixed_point(precision: Any) -> bool:
    """Whether a precision of hls4ml is that of fixed-point numbers or integers, with any bit."""
    from hls4ml.model import types

    kinds = (types.FixedPrecisionType, types.IntegerPrecisionType, types.XnorPrecisionType)
    return isinstance(precision, kinds) and precision.width >= 1


def fixed_point(precision: Any) -> FixedPoint | None:
    """Return hls4ml's precision object as a record; None if no record holds it.

    Of integers hls4ml says that they round down; C++ cuts off what is assigned to an ap_int.
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
