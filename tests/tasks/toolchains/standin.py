"""A stand-in core with an exact model of what a design around it answers, and a way to drive it."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint, Stream

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class Case:
    """A design around the stand-in core."""

    name: str
    input: Stream
    output: Stream
    latency: int

    @property
    def interval(self) -> int:
        """Clocks a sample at full rate."""
        return max(self.input.words_per_sample, self.output.words_per_sample)


def stream(size: int, width: int, integer: int, words: str, **modes: object) -> Stream:
    element = FixedPoint.model_validate({"width": width, "integer": integer, **modes})
    return Stream.model_validate({"shape": (size,), "element": element, "words": words})


def write_core(case: Case, directory: Path) -> Path:
    """The core: out[j] = inp[j] + 3 inp[j + 1] + bias(j), indices modulo, after its latency."""
    n_in, w_in = case.input.size, case.input.element.width
    n_out, w_out = case.output.size, case.output.element.width
    wide = max(w_in, w_out)
    elements = [f"{wide}'(inp[{i * w_in} +: {w_in}])" for i in range(n_in)]
    sums = [
        f"    wire [{wide - 1}:0] sum{j} = {elements[j % n_in]} + {elements[(j + 1) % n_in]}"
        f" + ({elements[(j + 1) % n_in]} << 1) + {wide}'d{_bias(j) % (1 << wide)};"
        for j in range(n_out)
    ]
    row = ", ".join(f"sum{j}[{w_out - 1}:0]" for j in reversed(range(n_out)))
    stages = [f"    reg [{n_out * w_out - 1}:0] stage{i};" for i in range(case.latency)]
    names = ["row", *(f"stage{i}" for i in range(case.latency))]
    moves = [f"        {b} <= {a};" for a, b in pairwise(names)]
    text = "\n".join(
        [
            f"module {case.name}_core (input clk, input [{n_in * w_in - 1}:0] inp,",
            f"    output [{n_out * w_out - 1}:0] out);",
            *sums,
            f"    wire [{n_out * w_out - 1}:0] row = {{{row}}};",
            *stages,
            *(["    always @(posedge clk) begin", *moves, "    end"] if moves else []),
            f"    assign out = {names[-1]};",
            "endmodule\n",
        ]
    )
    path = directory / f"{case.name}_core.v"
    path.write_text(text)
    return path


def _bias(index: int) -> int:
    """A number with all its bits in use, so that wide results are wide."""
    return (index + 1) * 0x9E3779B97F4A7C15


def answer(case: Case, words: Words) -> Words:
    """The words that a design sends for the words of whole samples."""
    elements = _decode(case.input, words)
    mask = (1 << case.output.element.width) - 1
    size = case.output.size
    results = [
        [(row[j % len(row)] + 3 * row[(j + 1) % len(row)] + _bias(j)) & mask for j in range(size)]
        for row in elements
    ]
    return _encode(case.output, results)


def quantise(value: Fraction, element: FixedPoint) -> int:
    """The raw bits of a value in a fixed-point format, by the book (UG902, table of ap_fixed)."""
    scaled = value * Fraction(2) ** element.fraction
    floor = scaled.numerator // scaled.denominator
    rest = scaled - floor
    half = Fraction(1, 2)
    up = {
        "TRN": False,
        "TRN_ZERO": scaled < 0 and rest > 0,
        "RND": rest >= half,
        "RND_ZERO": rest > half or (rest == half and scaled < 0),
        "RND_INF": rest > half or (rest == half and scaled > 0),
        "RND_MIN_INF": rest > half,
        "RND_CONV": rest > half or (rest == half and floor % 2 == 1),
    }[element.rounding]
    rounded = floor + up
    lowest = -(1 << (element.width - 1)) if element.signed else 0
    highest = lowest + (1 << element.width) - 1
    if element.saturation == "SAT_SYM" and element.signed:
        lowest += 1
    if element.saturation != "WRAP" and not lowest <= rounded <= highest:
        limit = lowest if rounded < lowest else highest
        rounded = 0 if element.saturation == "SAT_ZERO" else limit
    return rounded & ((1 << element.width) - 1)


def _decode(stream: Stream, words: Words) -> list[list[int]]:
    if stream.words == "float32":
        raw = [quantise(Fraction(float(v)), stream.element) for v in words.view(np.float32)]
    else:
        containers = words.view(f"u{stream.container_bits // 8}")
        containers = containers.reshape(-1, _containers(stream))[:, : stream.size].ravel()
        raw = [int(value) & ((1 << stream.element.width) - 1) for value in containers]
    return [raw[i : i + stream.size] for i in range(0, len(raw), stream.size)]


def _encode(stream: Stream, samples: Sequence[Sequence[int]]) -> Words:
    element = stream.element
    values = np.array(samples, dtype=object)
    if element.signed:
        values = np.where(values >> (element.width - 1) > 0, values - (1 << element.width), values)
    if stream.words == "float32":
        # Exact in double up to 53 bits; numpy then rounds to the nearest, ties to even.
        floats = values.astype(np.float64) * 2.0**-element.fraction
        return floats.astype(np.float32).view(np.uint32).ravel()
    padded = np.zeros((len(samples), _containers(stream)), dtype=object)
    padded[:, : stream.size] = values & ((1 << stream.container_bits) - 1)
    return padded.astype(f"u{stream.container_bits // 8}").view(np.uint32).ravel()


def _containers(stream: Stream) -> int:
    return stream.words_per_sample * 32 // stream.container_bits


@dataclass(frozen=True)
class Step:
    """What one call of fabric_run did."""

    consumed: int
    words: Words
    last: bool
    cycles: int


class Fabric:
    """A design in a fabric image."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.fabric_new.restype = ctypes.c_void_p
        self._library.fabric_run.restype = ctypes.c_uint64
        self._library.fabric_read.restype = ctypes.c_uint32
        self._handle = ctypes.c_void_p(self._library.fabric_new())

    @property
    def abi(self) -> int:
        return int(self._library.fabric_abi())

    def run(self, words: Words, *, last: bool, room: int, cycles: int) -> Step:
        """Offer words, TLAST with the last of them, and take at most `room` words."""
        given, taken = np.ascontiguousarray(words), np.zeros(room, dtype=np.uint32)
        consumed, produced, out_last = ctypes.c_uint64(0), ctypes.c_uint64(0), ctypes.c_int(0)
        ran = self._library.fabric_run(
            self._handle,
            *(ctypes.c_void_p(given.ctypes.data), ctypes.c_uint64(len(given)), int(last)),
            ctypes.byref(consumed),
            *(ctypes.c_void_p(taken.ctypes.data), ctypes.c_uint64(room)),
            *(ctypes.byref(produced), ctypes.byref(out_last), ctypes.c_uint64(cycles)),
        )
        return Step(consumed.value, taken[: produced.value], bool(out_last.value), int(ran))

    def read(self, address: int) -> int:
        return int(self._library.fabric_read(self._handle, ctypes.c_uint32(address)))

    def write(self, address: int, value: int) -> None:
        self._library.fabric_write(self._handle, ctypes.c_uint32(address), ctypes.c_uint32(value))

    def close(self) -> None:
        self._library.fabric_free(self._handle)
