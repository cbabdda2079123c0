"""Converts arrays of numbers to elements of an AXI4-Stream, and back.

A stream word has 32 bits. In the word format `float32` it holds one IEEE-754 element. In `packed`
each element is a fixed-point number in a container of 8, 16, 32 or 64 bits, the first element in
the low bits, and each sample starts a new word. Fixed-point conversion is exactly ap_fixed's.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

WORD_BYTES = 4
_HALF = 0.5
_FORMAT = ("width", "integer", "signed", "rounding", "saturation")


def quantise(
    values: ArrayLike,
    width: int,
    integer: int,
    *,
    signed: bool = True,
    rounding: str = "TRN",
    saturation: str = "WRAP",
) -> NDArray[Any]:
    """Convert numbers to fixed point as `ap_fixed<width, integer, rounding, saturation>` does.

    Args:
        values: finite numbers, any shape.
        width: total bits, at most 64.
        integer: bits left of the binary point, with the sign; may be negative or above `width`.
        signed: whether two's complement or unsigned.
        rounding: ap_q_mode without its `AP_`.
        saturation: ap_o_mode without its `AP_`.

    Returns:
        The raw integers (value times 2**(width - integer)), int64 or uint64.

    Raises:
        ValueError: a value is not finite, or a mode is unknown.
    """
    # A power of two only changes the exponent: nothing is rounded before `_round` decides how.
    scaled = np.asarray(values, dtype=np.float64) * 2.0 ** (width - integer)
    if not np.isfinite(scaled).all():
        raise ValueError("NaN and infinity have no fixed-point form")
    whole = _round(scaled, rounding)
    if saturation == "WRAP":
        return _wrap(whole, width, signed)
    return _saturate(whole, width, signed, saturation)


def dequantise(raw: ArrayLike, width: int, integer: int) -> NDArray[np.float32]:
    """Convert raw fixed-point integers to float32.

    Exact up to 24 significant bits; beyond, rounded to nearest even.
    """
    return (np.asarray(raw).astype(np.float64) * 2.0 ** (integer - width)).astype(np.float32)


def _round(scaled: NDArray[np.float64], mode: str) -> NDArray[np.float64]:
    """Round to whole numbers."""
    simple = {"TRN": np.floor, "TRN_ZERO": np.trunc, "RND_CONV": np.rint}
    if mode in simple:
        return simple[mode](scaled)
    # modf is exact in doubles; adding a half to the value first would round twice.
    remainder, whole = np.modf(scaled)
    up, down = remainder > _HALF, remainder < -_HALF
    if mode in ("RND", "RND_INF"):
        up |= remainder == _HALF
    if mode in ("RND_MIN_INF", "RND_INF"):
        down |= remainder == -_HALF
    elif mode not in ("RND", "RND_ZERO"):
        raise ValueError(f"unknown rounding mode {mode!r}")
    return whole + up - down


def _wrap(whole: NDArray[np.float64], width: int, signed: bool) -> NDArray[Any]:
    """Keep the low `width` bits."""
    full, half = 2.0**width, 2.0 ** (width - 1)
    # The remainder nearest to zero is exact in doubles; a remainder in [0, 2**64) would not be.
    rest = whole - np.rint(whole / full) * full
    raw = np.where(rest == half, -half, rest).astype(np.int64)
    return raw if signed else raw.view(np.uint64) & np.uint64(2**width - 1)


def _saturate(whole: NDArray[np.float64], width: int, signed: bool, mode: str) -> NDArray[Any]:
    """Replace values that are out of range."""
    if mode not in ("SAT", "SAT_ZERO", "SAT_SYM"):
        raise ValueError(f"unknown saturation mode {mode!r}")
    magnitude = 2 ** (width - 1) if signed else 2**width
    bottom, top = (-magnitude if signed else 0), magnitude - 1
    # `magnitude` is a power of two, an exact double; `top` is not beyond 53 bits.
    under, over = whole < bottom, whole >= magnitude
    raw = np.where(under | over, 0.0, whole).astype(np.int64 if signed else np.uint64)
    if mode == "SAT_ZERO":
        return raw
    raw[under], raw[over] = bottom, top
    if mode == "SAT_SYM" and signed:
        raw[raw == bottom] = -top
    return raw


class RawCodec:
    """Passes elements unchanged: float32 words, or what the caller encoded.

    Attributes:
        size: elements per sample.
        dtype: of an element in the buffer.
        row: buffer elements per sample, with padding.
        sample_bytes: bytes per sample in the buffer.
    """

    def __init__(self, size: int, dtype: DTypeLike) -> None:
        self.size = size
        self.dtype = np.dtype(dtype)
        self.row = size
        self.sample_bytes = size * self.dtype.itemsize

    def encode(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Convert numbers (samples x size) to buffer elements (samples x size).

        Raises:
            ValueError: a number is NaN or infinite, or too large for float32.
        """
        if self.dtype.kind != "f":
            return samples
        with np.errstate(all="ignore"):
            elements = np.asarray(samples, dtype=self.dtype)
            # A sum takes one pass and no memory; it is infinite for some finite numbers, too.
            suspect = not np.isfinite(elements.sum())
        if suspect and not np.isfinite(elements).all():
            raise ValueError("NaN and infinity have no fixed-point form")
        return elements

    def decode(self, elements: NDArray[Any]) -> NDArray[Any]:
        """Convert buffer elements (samples x size) to numbers (samples x size)."""
        return elements


class PackedCodec(RawCodec):
    """Converts to and from fixed-point numbers in containers; see the module."""

    def __init__(self, size: int, element: dict[str, Any]) -> None:
        """Read the format from `element`, as in manifest.json."""
        bits = max(8, 1 << (element["width"] - 1).bit_length())
        super().__init__(size, f"<{'i' if element['signed'] else 'u'}{bits // 8}")
        self._format = {key: element[key] for key in _FORMAT}
        self.sample_bytes = -(-self.sample_bytes // WORD_BYTES) * WORD_BYTES
        self.row = self.sample_bytes // self.dtype.itemsize

    def encode(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Convert numbers to raw integers of the element's format; raise ValueError on NaN."""
        return quantise(samples, **self._format).astype(self.dtype)

    def decode(self, elements: NDArray[Any]) -> NDArray[np.float32]:
        """Convert raw integers to float32."""
        return dequantise(elements, self._format["width"], self._format["integer"])


def codec_of(tensor: dict[str, Any]) -> RawCodec:
    """Return the codec for `input` or `output` of manifest.json.

    Raises:
        ValueError: its word format is unknown.
    """
    size = prod(tensor["shape"])
    if tensor["words"] == "float32":
        return RawCodec(size, "<f4")
    if tensor["words"] == "packed":
        return PackedCodec(size, tensor["element"])
    raise ValueError(f"unknown word format {tensor['words']!r}")
