"""Models of Keras 3 with several inputs or outputs."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.conversion.frontends import choice
from tasks.conversion.frontends.keras3_join import joined
from tasks.conversion.frontends.keras_model import inputs, outputs, predictor
from tasks.conversion.modelfile import identify
from tasks.core.records.design import HlsProject
from tests.tasks.conversion.conversions import largest_error

RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own
        import keras

        yield keras


def two_and_two(keras: Any) -> Any:
    layers = keras.layers
    left, right = keras.Input((4,), name="left"), keras.Input((3, 2), name="inputs")
    row = layers.Flatten()(layers.Conv1D(2, 2)(right))
    both = layers.Concatenate()([layers.Dense(3, activation="relu")(left), row])
    kind = layers.Dense(3, activation="softmax", name="kind")(both)
    return keras.Model([left, right], [kind, layers.Reshape((2, 2), name="grid")(row)])


def three_in(keras: Any) -> Any:
    tensors = [keras.Input((size,), name=f"part_{size}") for size in (2, 3, 4)]
    row = keras.layers.Concatenate(name="row")(tensors)
    return keras.Model(tensors, keras.layers.Dense(2, name="scores")(row))


def three_out(keras: Any) -> Any:
    x = keras.Input((3,), name="x")
    shared = keras.layers.Dense(3, name="shared")
    first = shared(x)
    return keras.Model(x, [first, shared(first), keras.layers.Dense(1, name="last")(first)])


MODELS = (two_and_two, three_in, three_out)


@pytest.mark.parametrize("make", MODELS)
def test_the_joined_model_computes_the_same(keras: Any, make: Callable[[Any], Any]) -> None:
    model = make(keras)
    one = joined(model)
    assert len(one.inputs) == len(one.outputs) == 1
    x = RNG.normal(size=(8, *one.inputs[0].shape[1:])).astype(np.float32)
    assert np.allclose(one(x), predictor(model)(x), atol=1e-6)


def test_inputs_and_outputs_keep_names_shapes_and_activations(keras: Any) -> None:
    model = two_and_two(keras)
    assert [(each.name, each.shape) for each in inputs(model)] == [
        ("left", (4,)),
        ("inputs", (3, 2)),
    ]
    assert [(each.name, each.shape, each.activation) for each in outputs(model)] == [
        ("kind", (3,), "softmax"),
        ("grid", (2, 2), ""),
    ]


def test_outputs_of_one_layer_are_told_apart_by_number(keras: Any) -> None:
    names = [each.name for each in outputs(three_out(keras))]
    assert names == ["shared_0", "shared_1", "last_2"]


def test_hls4ml_reads_joined_models(keras: Any, tmp_path: Path) -> None:
    for number, make in enumerate(MODELS):
        path = tmp_path / f"model_{number}.keras"
        make(keras).save(path)
        assert choice.load(identify(path)).configure("Vivado")["LayerName"]


@pytest.mark.slow
@pytest.mark.parametrize("overflow", ["SAT_SYM", "WRAP"])
def test_several_inputs_and_outputs_of_hgq2_keep_their_formats(
    overflow: str, keras: Any, tmp_path: Path, traced: Callable[..., HlsProject]
) -> None:
    from hgq.config import QuantizerConfigScope
    from hgq.layers import QAdd, QConv1D, QDense
    from hgq.utils import trace_minmax

    with QuantizerConfigScope(default_q_type="kbi", b0=6, i0=2, overflow_mode=overflow):
        left, right = keras.Input((4,), name="left"), keras.Input((3, 2), name="right")
        row = keras.layers.Flatten()(QConv1D(5, 3)(right))
        both = QAdd(name="both")([QDense(5, activation="relu")(left), row])
        model = keras.Model([left, right], [QDense(3, name="kind")(both), QDense(2)(both)])
    samples = [RNG.normal(size=(100, *each.shape[1:])).astype(np.float32) for each in model.inputs]
    trace_minmax(model, samples, verbose=0)
    model.save(tmp_path / "model.keras")
    project = traced(tmp_path / "model.keras")
    assert [(each.name, each.shape) for each in project.inputs] == [
        ("left", (4,)),
        ("right", (3, 2)),
    ]
    assert [each.shape for each in project.outputs] == [(3,), (2,)]
    assert largest_error(project) == 0
