"""Traces activations that hls4ml looks up in tables, which are computed as in its C++.

nnet_activation.h multiplies the input by table_size / range, truncates towards 0, adds half the
table and clamps the index. Here the input is rounded towards 0 to the table's grid and clamped;
what remains is the address of the lookup.
"""

import ctypes
import ctypes.util
from collections.abc import Callable, Sequence
from functools import cache
from math import log

import numpy as np
from alkaid.trace import FVariable, FVArray
from numpy.typing import NDArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import formats
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import scale

Function = Callable[[float], float]
Values = NDArray[np.float64]

# selu's factor for positive inputs is an ap_ufixed<16, 1>, its table has all the digits.
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE_FORMAT = FixedPoint(width=16, integer=1, signed=False)


@cache
def _libm(name: str) -> Callable[[float], float]:
    """Return a float function of the C library; numpy's differ in the last bit."""
    function = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    return function  # type: ignore[no-any-return]  # ctypes attributes are untyped


def exponential(x: float) -> float:
    """Return std::exp(float)."""
    return _libm("expf")(x)


def _sigmoid(x: float) -> float:
    return 1.0 / float(np.float32(1) + np.float32(exponential(-x)))


def _tanh(x: float) -> float:
    return _libm("tanhf")(x)


def _softplus(x: float) -> float:
    return log(exponential(x) + 1.0)


def _softsign(x: float) -> float:
    return x / (abs(x) + 1.0)


def _elu(x: float) -> float:
    return exponential(x) - 1.0


def _selu(x: float) -> float:
    return SELU_SCALE * (SELU_ALPHA * (exponential(x) - 1.0))


def symmetric(function: Function, reach: int) -> Callable[[Node, Sequence[FVArray]], FVArray]:
    """Return a tracer of a function that is tabulated from -reach to reach."""

    def trace(node: Node, inputs: Sequence[FVArray]) -> FVArray:
        grid = _grid(node, 2 * reach)
        table = _tabulate(function, node.format("table_t"))

        def one(x: FVariable) -> FVariable:
            address = formats.round_one(x, grid, "TRN_ZERO")
            return lookup(address.max_of(-reach).min_of(reach - 2.0**-grid), table)

        return formats.each(inputs[0], one)

    return trace


SIGMOID = symmetric(_sigmoid, 8)
SOFTPLUS = symmetric(_softplus, 8)
SOFTSIGN = symmetric(_softsign, 8)
TANH = symmetric(_tanh, 4)


def elu(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace x, or alpha times a table where x is negative."""
    alpha = 1.0
    if "param_t" in node.attributes:
        alpha = formats.cast_number(node.attributes["activ_param"], node.format("param_t"))
    table = _tabulate(_elu, node.format("table_t"))
    return _below_zero(node, inputs[0], lambda x: table(x) * alpha, 1.0)


def selu(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace a factor times x, or a table where x is negative."""
    factor = formats.cast_number(SELU_SCALE, SELU_SCALE_FORMAT)
    return _below_zero(node, inputs[0], _tabulate(_selu, node.format("table_t")), factor)


def _below_zero(
    node: Node, values: FVArray, table: Callable[[Values], Values], factor: float
) -> FVArray:
    """Trace factor * x, or where x is negative a table that reaches down to -8."""
    reach = 8
    grid = _grid(node, reach)

    def one(x: FVariable) -> FVariable:
        address = formats.round_one(x, grid, "TRN_ZERO")
        inside = address.max_of(-reach + 2.0**-grid).min_of(0.0)
        return x.is_negative().msb_mux(lookup(inside, table), scale(x, factor))

    return formats.each(values, one)


def _grid(node: Node, span: int) -> int:
    """Return the fractional bits of the inputs that the table distinguishes."""
    entries = node.integer("table_size")
    if entries & (entries - 1) or entries < span:
        raise node.unsupported(f"has a table of {entries} entries", "give it a power of two")
    return (entries // span).bit_length() - 1


def _tabulate(function: Function, target: FixedPoint) -> Callable[[Values], Values]:
    """Return a function that computes entries as the C++ does: floats in the table's type."""

    def entries(x: Values) -> Values:
        results = np.array([function(float(value)) for value in x], np.float32)
        return formats.cast_constants(results, target)

    return entries


def lookup(x: FVariable, table: Callable[[Values], Values]) -> FVariable:
    """Trace a function of a value, tabulated over all its possible values."""
    if formats.is_constant(x):
        return FVariable.from_const(float(table(np.array([x.low]))[0]), x.hwconf)
    count = round((x.high - x.low) / x.step) + 1
    return x.lookup(table(x.low + x.step * np.arange(count)))


def unary_table(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace a table from an HGQ2 model, addressed by the bits of the input."""
    entries = node.weights("table")
    lsb = formats.resolution(node.inputs[0].format)

    def table(values: Values) -> Values:
        return entries[np.mod(values / lsb, 2.0 ** node.inputs[0].format.width).astype(np.int64)]

    return formats.each(inputs[0], lambda value: lookup(value, table))
