"""LSTM and GRU, unrolled over their steps, as nnet_recurrent.h computes them.

Sums and gates are in accum_t; the states that pass from step to step are in the result type.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from alkaid.trace import FVArray

from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import activations, formats, tables
from tasks.toolchains.cores.graph import Node
from tasks.toolchains.cores.linear import Matrix, dot

Activation = Callable[[Node, Sequence[FVArray]], FVArray]

# The only ones that nnet_recr_activations.h has.
ACTIVATIONS: Mapping[str, Activation] = {
    "relu": activations.relu,
    "sigmoid": tables.SIGMOID,
    "tanh": tables.TANH,
}


def lstm(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace an LSTM, whose gates are in the order input, forget, cell, output."""
    accum, result = node.format("accum_t"), node.output.format
    states = []
    h, cell = (_zeros(node, inputs[0]) for _ in range(2))
    for x in _steps(node, inputs[0]):
        ahead, back = _sums(node, x, h, gates=4)
        i, f, c, o = (formats.cast(each, accum) for each in _parts(ahead + back, 4))
        i, f, o = (_activate(node, "recurrent_activation", each, accum) for each in (i, f, o))
        c = _activate(node, "activation", c, accum)
        cell = formats.cast(c * i + cell * f, result)
        h = formats.cast(o * _activate(node, "activation", cell, accum), result)
        states.append(h)
    return _result(node, states)


def gru(node: Node, inputs: Sequence[FVArray]) -> FVArray:
    """Trace a GRU, whose gates are in the order update, reset, candidate.

    PyTorch has the first two swapped.
    """
    accum, result = node.format("accum_t"), node.output.format
    swapped = bool(node.attributes.get("pytorch"))
    states = []
    h = _zeros(node, inputs[0])
    for x in _steps(node, inputs[0]):
        ahead, back = (_parts(each, 3) for each in _sums(node, x, h, gates=3))
        z, r = (
            _activate(node, "recurrent_activation", formats.cast(a + b, accum), accum)
            for a, b in zip(ahead[:2], back[:2], strict=True)
        )
        if swapped:
            z, r = r, z
        new = formats.cast(ahead[2] + formats.cast(r * back[2], accum), accum)
        candidate = _activate(node, "activation", new, accum)
        h = formats.cast(candidate * (1 - z) + h * z, result)
        states.append(h)
    return _result(node, states)


def _steps(node: Node, x: FVArray) -> list[FVArray]:
    if not node.attributes.get("static", True) or node.attributes.get("pass_initial_states"):
        raise node.unsupported("takes its first states from outside", "let them start at 0")
    steps = x.reshape(node.inputs[0].shape)
    return [steps[index] for index in range(len(steps))]


def _zeros(node: Node, x: FVArray) -> FVArray:
    return formats.like(x, np.zeros(node.output.shape[-1], dtype=object))


def _sums(node: Node, x: FVArray, h: FVArray, gates: int) -> tuple[FVArray, FVArray]:
    """Return the sums over the inputs, and those over the states, of all gates."""
    columns = gates * node.output.shape[-1]
    found = []
    for values, name in ((x, "weight"), (h, "recurrent_weight")):
        bias = node.weights(name.replace("weight", "bias"))
        found.append(dot(node, values, _matrix(node, name, values.size, columns), bias, name))
    return found[0], found[1]


def _matrix(node: Node, name: str, rows: int, columns: int) -> Matrix:
    weights = node.weights(name)
    if node.attributes.get("_weights_transposed"):
        return weights.reshape(columns, rows).T
    return weights.reshape(rows, columns)


def _parts(values: FVArray, count: int) -> list[FVArray]:
    size = values.size // count
    return [values[index * size : (index + 1) * size] for index in range(count)]


def _activate(node: Node, which: str, values: FVArray, accum: FixedPoint) -> FVArray:
    name = str(node.attributes[which])
    if name not in ACTIVATIONS:
        raise node.unsupported(f"has the {which} {name!r}", f"use {', '.join(ACTIVATIONS)}")
    return formats.cast(ACTIVATIONS[name](node, [values]), accum)


def _result(node: Node, states: Sequence[FVArray]) -> FVArray:
    """Return all states, or the last one."""
    if not node.attributes.get("return_sequences"):
        return states[-1]
    return formats.like(states[0], np.stack([np.asarray(state) for state in states]))
