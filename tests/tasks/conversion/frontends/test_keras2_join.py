"""Models of Keras 2 with several inputs or outputs."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tasks.conversion.frontends.keras2_join import joined
from tasks.conversion.frontends.keras_model import inputs, outputs, predictor

RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def layers() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own
        import tf_keras

        yield tf_keras.layers


def model(*tensors: Any) -> Any:
    import tf_keras

    return tf_keras.Model(*tensors)


def two_and_two(layers: Any) -> Any:
    left, right = layers.Input((4,), name="left"), layers.Input((3, 2), name="inputs")
    row = layers.Flatten()(layers.Conv1D(2, 2)(right))
    both = layers.Concatenate()([layers.Dense(3, activation="relu")(left), row])
    kind = layers.Dense(3, activation="softmax", name="kind")(both)
    return model([left, right], [kind, layers.Reshape((2, 2), name="grid")(row)])


def three_in(layers: Any) -> Any:
    tensors = [layers.Input((size,), name=f"part_{size}") for size in (2, 3, 4)]
    row = layers.Concatenate(name="row")(tensors)
    return model(tensors, layers.Dense(2, name="scores")(row))


def three_out(layers: Any) -> Any:
    x = layers.Input((3,), name="x")
    shared = layers.Dense(3, name="shared")
    first = shared(x)
    return model(x, [first, shared(first), layers.Dense(1, name="last")(first)])


def named_outputs(layers: Any) -> Any:
    x = layers.Input((3,), name="x")
    return model(x, {"second": layers.Dense(2)(x), "first": layers.Dense(3)(x)})


@pytest.mark.parametrize("make", [two_and_two, three_in, three_out, named_outputs])
def test_the_joined_model_computes_the_same(layers: Any, make: Callable[[Any], Any]) -> None:
    several = make(layers)
    one = joined(several)
    assert len(one.inputs) == len(one.outputs) == 1
    x = RNG.normal(size=(8, *one.inputs[0].shape[1:])).astype(np.float32)
    assert np.allclose(predictor(one)(x), predictor(several)(x), atol=1e-6)


def test_inputs_and_outputs_keep_names_shapes_and_activations(layers: Any) -> None:
    several = two_and_two(layers)
    assert [(each.name, each.shape) for each in inputs(several)] == [
        ("left", (4,)),
        ("inputs", (3, 2)),
    ]
    assert [(each.name, each.shape, each.activation) for each in outputs(several)] == [
        ("kind", (3,), "softmax"),
        ("grid", (2, 2), ""),
    ]
