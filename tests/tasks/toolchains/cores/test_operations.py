"""What a layer does to traced values it does to constants: all inputs, odd and tiny formats."""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alkaid.trace import FVArray, HWConfig
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.core.errors import UnsupportedModelError
from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores import layers, linear
from tasks.toolchains.cores.graph import Node, Tensor
from tasks.toolchains.cores.optimise import optimise, program

from .test_formats import number_formats

HARDWARE = HWConfig(1, 4, -1)
SAMPLES = 32
Layer = Callable[[list[FVArray]], FVArray]


def type_of(target: FixedPoint) -> dict[str, Any]:
    """A format as hls4ml saves it."""
    modes = {"rounding_mode": target.rounding, "saturation_mode": target.saturation}
    size = {"width": target.width, "integer": target.integer, "signed": target.signed}
    precision = {"class_name": "hls4ml.model.types.FixedPrecisionType", "state": size | modes}
    return {"class_name": "hls4ml.model.types.NamedType", "state": {"precision": precision}}


def layer(
    kind: str, inputs: Sequence[FixedPoint], result: FixedPoint, size: int = 1, **attributes: Any
) -> Node:
    """A layer on vectors of two elements."""
    tensors = tuple(Tensor(f"in{i}", (2,), target) for i, target in enumerate(inputs))
    types = {
        key: type_of(value) if isinstance(value, FixedPoint) else value
        for key, value in attributes.items()
    }
    return Node("it", kind, tensors, Tensor("out", (size,), result), types, False, Path())


def all_values(target: FixedPoint) -> NDArray[np.float64]:
    raw = np.arange(2**target.width) - 2 ** (target.width - 1) * target.signed
    return np.asarray(raw * 2.0**-target.fraction)


def differing(inputs: Sequence[FixedPoint], layer: Layer) -> list[list[float]]:
    """For which values of two-element inputs traced logic and the layer of constants differ."""
    vectors = [
        FVArray.from_kif(
            *(np.full(2, part) for part in (int(f.signed), f.integer - f.signed, f.fraction)),
            HARDWARE,
        )
        for f in inputs
    ]
    logic = optimise(program(np.concatenate(vectors), layer(vectors)))
    every = np.array(list(product(*(all_values(f) for f in inputs for _ in range(2)))))
    found = []
    for values in np.random.default_rng(1).permutation(every)[:SAMPLES]:
        parts = np.split(values, len(inputs))
        constants = [FVArray(part.astype(object), hwconf=HARDWARE) for part in parts]
        expected = [value.low for value in np.asarray(layer(constants)).ravel()]
        if logic.predict(values[None])[0].tolist() != expected:
            found.append(values.tolist())
    return found


small = number_formats(4)
ANY = FixedPoint(width=8, integer=4)
# A table of signs: its values are -0.5 and 0.
SIGN = FixedPoint(width=1, integer=0, rounding="RND_CONV", saturation="SAT_SYM")
factors = st.integers(-9, 9).map(lambda eighths: eighths / 8)


@settings(max_examples=60, deadline=None)
@given(small, number_formats(6), st.lists(factors, min_size=6, max_size=6))
def test_dot_products(x: FixedPoint, accum: FixedPoint, numbers: list[float]) -> None:
    node = layer("Dense", [x], accum, accum_t=accum, strategy="latency")
    weights, bias = np.array(numbers[:4]).reshape(2, 2), np.array(numbers[4:])
    assert differing([x], lambda inputs: linear.dot(node, inputs[0], weights, bias)) == []


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        (
            "linear",
            "relu",
            "relu6",
            "binary_tanh",
            "ternary_tanh",
            "leakyrelu",
            "thresholdedrelu",
            "hard_sigmoid",
            "hard_tanh",
            "elu",
            "selu",
            "sigmoid",
            "tanh",
        )
    ),
    *(small, number_formats(8), number_formats(8), factors),
)
@example("tanh", FixedPoint(width=3, integer=2), ANY, SIGN, -0.5)
@example("elu", FixedPoint(width=1, integer=0), ANY, SIGN, -0.5)
@example("leakyrelu", FixedPoint(width=1, integer=1), ANY, SIGN, -1.125)
def test_activations(
    name: str, x: FixedPoint, result: FixedPoint, table: FixedPoint, parameter: float
) -> None:
    types = {"table_t": table, "param_t": table, "slope_t": table, "shift_t": table}
    numbers = {"activ_param": parameter, "slope": parameter, "shift": 0.5, "table_size": 64}
    node = layer("Activation", [x], result, 2, activation=name, **types, **numbers)
    assert differing([x], lambda inputs: layers.trace(node, inputs)) == []


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(("add", "subtract", "multiply", "average", "maximum", "minimum")),
    *(small, small, number_formats(8)),
)
def test_merges(name: str, left: FixedPoint, right: FixedPoint, result: FixedPoint) -> None:
    node = layer("Merge", [left, right], result, 2, op=name)
    assert differing([left, right], lambda inputs: layers.trace(node, inputs)) == []


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(("Max", "Average")), *(st.integers(1, 7), small, number_formats(6), small))
def test_pooling(
    op: str, copies: int, x: FixedPoint, accum: FixedPoint, result: FixedPoint
) -> None:
    node = layer("GlobalPooling1D", [x], result, accum_t=accum, pool_op=op)

    def pool(inputs: list[FVArray]) -> FVArray:
        return layers.trace(node, [np.concatenate([inputs[0]] * copies).reshape(-1, 1)])

    assert differing([x], pool) == []


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(("stable", "latency", "argmax")),
    *(small, number_formats(6), st.tuples(*(number_formats(6),) * 4)),
)
def test_softmax(
    name: str, x: FixedPoint, result: FixedPoint, internal: tuple[FixedPoint, ...]
) -> None:
    accum, exp, inv, total = internal
    node = layer(
        "Softmax",
        [x],
        result,
        2,
        implementation=name,
        accum_t=accum,
        exp_table_t=exp,
        inv_table_t=inv,
        inv_inp_t=total,
        inp_norm_t=FixedPoint(width=max(x.width, 2), integer=x.integer + 1, signed=False),
        table_size=2 ** min(max(x.width - 1, 1), total.width),
    )
    assert differing([x], lambda inputs: layers.trace(node, inputs)) == []


def test_channels_first_is_refused() -> None:
    element = FixedPoint(width=4, integer=2)
    node = layer("ZeroPadding1D", [element], element, data_format="channels_first")
    with pytest.raises(UnsupportedModelError, match="channels first"):
        layers.trace(node, [FVArray(np.zeros((2, 1), dtype=object), hwconf=HARDWARE)])
