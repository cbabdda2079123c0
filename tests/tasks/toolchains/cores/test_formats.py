"""Assignments to number formats, against their definition in exact fractions."""

from fractions import Fraction
from math import floor

import numpy as np
from alkaid.trace import FVArray, HWConfig
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats
from tasks.toolchains.cores.optimise import optimise, program

ROUNDINGS = ("TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_INF", "RND_MIN_INF", "RND_CONV")
HALF = Fraction(1, 2)


@st.composite
def number_formats(draw: st.DrawFn, largest: int = 12) -> FixedPoint:
    return FixedPoint(
        width=draw(st.integers(1, largest)),
        integer=draw(st.integers(-4, largest)),
        signed=draw(st.booleans()),
        rounding=draw(st.sampled_from(ROUNDINGS)),
        saturation=draw(st.sampled_from(("WRAP", "SAT", "SAT_ZERO", "SAT_SYM"))),
    )


def power_of_two(exponent: int) -> Fraction:
    return Fraction(1 << max(exponent, 0), 1 << max(-exponent, 0))


def assign(value: Fraction, target: FixedPoint) -> Fraction:
    """What SystemC's fixed-point types define, word for word."""
    lsb = power_of_two(-target.fraction)
    raw = rounded(value / lsb, target.rounding)
    high = 2 ** (target.width - target.signed) - 1
    low = -high - 1 if target.signed else 0
    if target.saturation == "WRAP":
        return Fraction((raw - low) % (1 << target.width) + low) * lsb
    if low <= raw <= high and not (target.saturation == "SAT_SYM" and raw == low != 0):
        return raw * lsb
    if target.saturation == "SAT_ZERO":
        return Fraction(0)
    least = low + 1 if target.saturation == "SAT_SYM" and target.signed else low
    return (high if raw > high else least) * lsb


def rounded(value: Fraction, mode: str) -> int:
    down, rest = floor(value), value - floor(value)
    to_zero = down if value >= 0 else -floor(-value)
    ties = {
        "RND": down + 1,
        "RND_ZERO": to_zero,
        "RND_INF": down + 1 if value >= 0 else down,
        "RND_MIN_INF": down,
        "RND_CONV": down + down % 2,
    }
    if mode == "TRN":
        return down
    if mode == "TRN_ZERO":
        return to_zero
    return ties[mode] if rest == HALF else down + (rest > HALF)


@settings(deadline=None)
@given(st.integers(-(2**20), 2**20), st.integers(-2, 16), number_formats())
def test_constants_are_assigned_as_defined(raw: int, fraction: int, target: FixedPoint) -> None:
    value = raw * power_of_two(-fraction)
    if target.width == 1 and target.saturation == "SAT_SYM":
        target = target.model_copy(update={"saturation": "SAT"})
    assert formats.cast_number(float(value), target) == assign(value, target)


@settings(deadline=None)
@given(
    number_formats(8),
    st.sampled_from((1.0, -1.0, 0.5, -4.0)),
    st.integers(-9, 9).map(lambda eighths: eighths / 8),
    number_formats(8),
)
def test_traced_values_are_assigned_as_constants_are(
    source: FixedPoint, factor: float, offset: float, target: FixedPoint
) -> None:
    kif = (int(source.signed), source.integer - source.signed, source.fraction)
    x = FVArray.from_kif(*(np.full(1, part) for part in kif), HWConfig(1, 4, -1))
    raw = np.arange(2**source.width) - 2 ** (source.width - 1) * source.signed
    every = raw * formats.resolution(source)
    logic = optimise(program(x, formats.cast(x * factor + offset, target)))
    got = logic.predict(every[:, None])[:, 0]
    expected = formats.cast_constants(every * factor + offset, target)
    np.testing.assert_array_equal(got, expected)


def test_infinity_saturates_and_wraps_to_zero() -> None:
    target = FixedPoint(width=8, integer=4, saturation="SAT")
    assert formats.cast_number(np.inf, target) == 7.9375
    assert formats.cast_number(-np.inf, target) == -8
    assert formats.cast_number(np.inf, target.model_copy(update={"saturation": "WRAP"})) == 0


def test_one_signed_bit_saturates_to_minus_one_even_symmetrically() -> None:
    target = FixedPoint(width=1, integer=1, saturation="SAT_SYM")
    assert formats.cast_number(-3.0, target) == -1
