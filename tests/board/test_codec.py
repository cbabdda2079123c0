"""The codec converts as ap_fixed does, and lays words out as the stream has them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.codec import PackedCodec, codec_of, dequantise, quantise

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDINGS: dict[str, Callable[[Fraction], int]] = {
    "TRN": math.floor,
    "TRN_ZERO": math.trunc,
    "RND": lambda x: math.floor(x + Fraction(1, 2)),
    "RND_MIN_INF": lambda x: math.ceil(x - Fraction(1, 2)),
    "RND_INF": lambda x: _signed(math.floor(abs(x) + Fraction(1, 2)), x),
    "RND_ZERO": lambda x: _signed(math.ceil(abs(x) - Fraction(1, 2)), x),
    "RND_CONV": round,
}
SATURATIONS = ("WRAP", "SAT", "SAT_ZERO", "SAT_SYM")


def _signed(magnitude: int, like: Fraction) -> int:
    return -magnitude if like < 0 else magnitude


def model(value: float, element: dict[str, Any]) -> int:
    """The raw integer that ap_fixed holds, in exact arithmetic."""
    width, signed = element["width"], element["signed"]
    exact = Fraction(value) * Fraction(2) ** (width - element["integer"])
    raw = ROUNDINGS[element["rounding"]](exact)
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    mode = element["saturation"]
    if mode == "WRAP":
        return int((raw - low) % 2**width + low)
    if mode == "SAT_ZERO":
        return raw if low <= raw <= high else 0
    if mode == "SAT_SYM" and signed:
        low += 1
    return int(min(max(raw, low), high))


elements: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "width": st.integers(1, 64),
        "integer": st.integers(-20, 80),
        "signed": st.booleans(),
        "rounding": st.sampled_from(sorted(ROUNDINGS)),
        "saturation": st.sampled_from(SATURATIONS),
    }
)


@st.composite
def values_near_the_grid(draw: st.DrawFn, element: dict[str, Any]) -> list[float]:
    """Any float32, and multiples of a quarter of the last place, where rounding modes differ."""
    step = math.ldexp(0.25, element["integer"] - element["width"])
    edge = 2 ** (element["width"] + 2)
    quarters = st.integers(-edge - 9, edge + 9) | st.integers(-20, 20)
    on_grid = quarters.map(lambda n: float(np.float64(n)) * step)
    floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
    return draw(st.lists(on_grid | floats, min_size=1, max_size=8))


@given(st.data())
def test_quantise_is_exact_in_every_rounding_and_saturation_mode(data: st.DataObject) -> None:
    element = data.draw(elements)
    values = data.draw(values_near_the_grid(element))
    assert quantise(values, **element).tolist() == [model(value, element) for value in values]


@given(st.integers(1, 64), st.integers(-20, 80), st.booleans(), st.data())
def test_dequantise_rounds_once_to_nearest_even(
    width: int, integer: int, signed: bool, data: st.DataObject
) -> None:
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    raw = data.draw(st.integers(low, high))
    expected = np.float32(float(raw) * 2.0 ** (integer - width))
    kind = np.int64 if signed else np.uint64
    assert dequantise(np.array([raw], kind), width, integer)[0] == expected


@given(st.integers(1, 24), st.integers(-20, 40), st.data())
def test_what_was_quantised_comes_back_unchanged(
    width: int, integer: int, data: st.DataObject
) -> None:
    raw = data.draw(st.integers(-(2 ** (width - 1)), 2 ** (width - 1) - 1))
    value = dequantise(np.array([raw]), width, integer)
    assert quantise(value, width, integer).tolist() == [raw]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_without_fixed_point_form_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no fixed-point form"):
        quantise([0.0, value], 8, 4)


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="rounding mode 'RND_UP'"):
        quantise([0.5], 8, 4, rounding="RND_UP")
    with pytest.raises(ValueError, match="saturation mode 'CLIP'"):
        quantise([0.5], 8, 4, saturation="CLIP")
    with pytest.raises(ValueError, match="word format 'bytes'"):
        codec_of({"shape": [1], "words": "bytes"})


def packed(width: int, size: int, *, signed: bool = True) -> PackedCodec:
    element = {
        "width": width,
        "integer": width,
        "signed": signed,
        "rounding": "TRN",
        "saturation": "SAT",
    }
    return PackedCodec(size, element)


@pytest.mark.parametrize(
    ("width", "container"),
    [(1, 1), (8, 1), (9, 2), (16, 2), (17, 4), (32, 4), (33, 8), (64, 8)],
)
def test_an_element_takes_the_smallest_container(width: int, container: int) -> None:
    assert packed(width, 1).dtype.itemsize == container


@pytest.mark.parametrize(
    ("width", "size", "sample_bytes"), [(8, 4, 4), (8, 5, 8), (12, 3, 8), (33, 1, 8)]
)
def test_a_sample_starts_a_new_word(width: int, size: int, sample_bytes: int) -> None:
    codec = packed(width, size)
    assert codec.sample_bytes == codec.row * codec.dtype.itemsize == sample_bytes


def test_containers_hold_twos_complement() -> None:
    elements = packed(6, 5).encode(np.array([[1, 2, 3, -1, 99]], np.float32))
    assert elements.tobytes() == bytes([1, 2, 3, 0xFF, 31])


def test_an_unsigned_element_is_zero_extended() -> None:
    elements = packed(7, 4, signed=False).encode(np.array([[127.0, 0, 1, 200]]))
    assert elements.tobytes() == bytes([127, 0, 1, 127])


@given(st.sampled_from([3, 8, 11, 24]), st.data())
def test_packed_numbers_come_back(width: int, data: st.DataObject) -> None:
    top = 2 ** (width - 1) - 1
    rows = st.lists(st.integers(-top, top), min_size=5, max_size=5)
    samples = np.array(data.draw(st.lists(rows, max_size=3)), np.float32).reshape(-1, 5)
    codec = packed(width, 5)
    np.testing.assert_array_equal(codec.decode(codec.encode(samples)), samples)


def test_float_words_pass_as_they_are() -> None:
    codec = codec_of({"shape": [2, 2], "words": "float32"})
    samples = np.array([[1.5, -2.25, 1e30, 0.1]], np.float32)
    assert codec.size == 4
    assert codec.encode(samples).tobytes() == samples.tobytes()
    assert codec.decode(samples).tobytes() == samples.tobytes()
