"""Assigns values to number formats with the semantics of ap_fixed.

`cast_constants` works on numbers, `cast` on traced values; both do what the constructor of
ap_fixed<width, integer, rounding, saturation> does: round to the last fractional bit, then handle
overflow.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from alkaid.trace import FVariable, FVArray
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint

MAX_WIDTH = 64
"""Width of the widest format, limited by the C simulation's integers."""
EXACT_BITS = 52
"""Width of the widest values that are exact in alkaid, which computes in float64."""

_HUGE = 2.0**900


def resolution(target: FixedPoint) -> float:
    """Return the weight of the last fractional bit."""
    return float(2.0**-target.fraction)


def bounds(target: FixedPoint) -> tuple[float, float]:
    """Return the smallest and largest value that the format saturates to."""
    high = 2.0 ** (target.integer - target.signed)
    low = -high if target.signed else 0.0
    # A single signed bit has nothing but -1 to saturate to; ap_fixed keeps that.
    if target.signed and target.saturation == "SAT_SYM" and target.width > 1:
        low += resolution(target)
    return low, high - resolution(target)


def cast_constants(values: NDArray[np.floating], target: FixedPoint) -> NDArray[np.float64]:
    """Assign float64 values to a format; infinities count as very large values."""
    rounded = _round_constants(values, target.fraction, target.rounding)
    low, high = (bound / resolution(target) for bound in bounds(target))
    outside = (rounded < low) | (rounded > high)
    match target.saturation:
        case "WRAP":
            wrapped = np.mod(rounded, 2.0**target.width)
            rounded = np.where(wrapped > high, wrapped - 2.0**target.width, wrapped)
        case "SAT_ZERO":
            rounded = np.where(outside, 0.0, rounded)
        case "SAT" | "SAT_SYM":
            rounded = np.clip(rounded, low, high)
    return np.asarray(rounded * resolution(target) + 0.0)  # + 0.0: no negative zeros


def _round_constants(values: NDArray[np.floating], fraction: int, mode: str) -> NDArray[np.float64]:
    """Round to whole multiples of 2^-fraction, and return how many."""
    scaled = np.clip(np.asarray(values, np.float64), -_HUGE, _HUGE) * 2.0**fraction
    whole = np.floor(scaled)
    return whole + _round_up(mode, whole, scaled - whole)


def _round_up(
    mode: str, whole: NDArray[np.float64], rest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return 1 for values that are rounded up; `rest` is their distance from `whole`."""
    half = 0.5
    above, tie, negative = rest > half, rest == half, whole < 0
    match mode:
        case "TRN":
            up = np.zeros_like(negative)
        case "TRN_ZERO":
            up = negative & (rest > 0)
        case "RND":
            up = above | tie
        case "RND_MIN_INF":
            up = above
        case "RND_ZERO":
            up = above | (tie & negative)
        case "RND_INF":
            up = above | (tie & ~negative)
        case _:  # RND_CONV: to even
            up = above | (tie & (np.mod(whole, 2) == 1))
    return up.astype(np.float64)


def cast_number(value: float, target: FixedPoint) -> float:
    """Assign one number to a format."""
    return float(cast_constants(np.array(value), target))


def each(values: FVArray, function: Callable[[FVariable], FVariable]) -> FVArray:
    """Apply a function to every element."""
    results = np.empty(values.size, dtype=object)
    for index, value in enumerate(np.asarray(values).ravel()):
        results[index] = function(value)
    return like(values, results.reshape(values.shape))


def like(values: FVArray, elements: NDArray[np.object_]) -> FVArray:
    """Return elements, or numbers, as an array with the hardware settings of another one."""
    return FVArray(elements, values.solver_options, hwconf=values.hwconf)


def is_constant(value: FVariable) -> bool:
    """Return whether a traced value has only one possible value."""
    return bool(value.low == value.high)


def cast(values: FVArray, target: FixedPoint) -> FVArray:
    """Assign traced values to a format."""
    return each(values, lambda value: cast_one(value, target))


def cast_one(value: FVariable, target: FixedPoint) -> FVariable:
    """Assign one traced value to a format."""
    rounded = round_one(value, target.fraction, target.rounding)
    if is_constant(rounded):
        return FVariable.from_const(cast_number(rounded.low, target), value.hwconf)
    return _confine(rounded, target)


def round_one(value: FVariable, fraction: int, mode: str) -> FVariable:
    """Round a traced value to `fraction` fractional bits, without limiting its range."""
    lsb, step = 2.0**-fraction, value.step
    if step >= lsb:
        return value
    if is_constant(value):
        multiples = _round_constants(np.array(value.low), fraction, mode)
        return FVariable.from_const(float(multiples) * lsb, value.hwconf)
    shifted = value + _rounding_offset(value, lsb, step, mode)
    signed, integer, _ = shifted.kif
    # A small negative value keeps its sign bit: alkaid takes a format of 0 bits for 0.
    cut = shifted.quantize(signed, max(integer, -fraction), fraction, "WRAP", "TRN")
    return cut - _ties_to_odd(shifted, cut, fraction) if mode == "RND_CONV" else cut


def _ties_to_odd(shifted: FVariable, cut: FVariable, fraction: int) -> FVariable:
    """Return the last bit if a tie was rounded up to an odd multiple, otherwise 0."""
    odd = cast_one(cut, FixedPoint(width=1, integer=1 - fraction, signed=False))
    cut_off = shifted.kif[2] - fraction
    if cut_off <= 0:
        return odd
    rest = cast_one(shifted, FixedPoint(width=cut_off, integer=-fraction, signed=False))
    return rest.unary_bit_op("any").msb_mux(0.0, odd)


def _rounding_offset(value: FVariable, lsb: float, step: float, mode: str) -> Any:
    """Return what to add before the bits below `lsb` are cut off; `step`: the value's last bit."""
    match mode:
        case "TRN":
            return 0.0
        case "RND" | "RND_CONV":
            return lsb / 2
        case "RND_MIN_INF":
            return lsb / 2 - step
        case "TRN_ZERO":
            return value.is_negative() * (lsb - step)
        case "RND_ZERO":
            return value.is_negative() * step + (lsb / 2 - step)
        case _:  # RND_INF
            return value.is_negative() * -step + lsb / 2


def _confine(value: FVariable, target: FixedPoint) -> FVariable:
    """Handle overflow; the value already has the target's resolution."""
    signed, integer, fraction = int(target.signed), target.integer - target.signed, target.fraction
    low, high = bounds(target)
    if target.saturation == "WRAP" or low <= value.low <= value.high <= high:
        return value.quantize(signed, integer, fraction, "WRAP", "TRN")
    if target.saturation == "SAT_ZERO":
        outside = (value - low).is_negative() | (high - value).is_negative()
        kept = outside.msb_mux(0.0, value)
        return kept.quantize(signed, integer, fraction, "WRAP", "TRN")
    return value.max_of(low).min_of(high)
