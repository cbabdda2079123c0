"""Layers of Keras 3 that hls4ml does not read: rewritten exactly, or named with a replacement."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.conversion.child import predicted
from tasks.conversion.frontends import choice, keras3
from tasks.conversion.frontends.keras3_rewrites import rewritten
from tasks.conversion.modelfile import identify
from tasks.core.errors import UnsupportedModelError
from tasks.core.records.design import HlsProject
from tests.tasks.conversion.conversions import converted_file, largest_error

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own
        import keras

        yield keras


def chain(keras: Any, shape: tuple[int, ...], *layers: Any) -> Any:
    return keras.Sequential([keras.layers.Input(shape), *layers])


def inner(keras: Any) -> Any:
    dense = keras.layers.Dense(6, activation="relu", name="hidden")
    part = chain(keras, (6,), dense)
    part.name = "part"
    return chain(keras, (6,), keras.layers.Dense(6, name="hidden"), part, part)


def joined(keras: Any) -> Any:
    x = keras.layers.Input((3,))
    parts = [keras.layers.Dense(2, name=f"part_{index}")(x) for index in range(5)]
    return keras.Model(x, keras.layers.Concatenate(name="joined")(parts))


def shifted(keras: Any) -> Any:
    x = keras.layers.Input((3,))
    return keras.Model(x, 2.0 - (x * np.array([1, 2, 3], np.float32) + 1.5) - 0.25)


def operations(keras: Any) -> Any:
    x, ops = keras.layers.Input((6,)), keras.ops
    y = keras.layers.Dense(6, name="dense")(x)
    y = ops.maximum(x + y, x * y) - (-x) / 4.0
    y = ops.reshape(ops.relu(y), (-1, 2, 3))
    y = ops.concatenate([y, ops.transpose(ops.transpose(y, (0, 2, 1)), (0, 2, 1))], axis=-1)
    return keras.Model(x, ops.softmax(y))


def slices(keras: Any) -> Any:
    image = keras.layers.Input((5, 4, 3))
    series = image[:, 1:4, 2, :]
    parts = [series[:, -1], series[:, :2, 1], image[:, 0, ..., 0:1][:, :3, 0], series[..., 2]]
    return keras.Model(image, keras.layers.Concatenate(name="all")([*parts, parts[0][:, 1:]]))


def merged(keras: Any) -> Any:
    x = keras.layers.Input((3,))
    parts = [keras.layers.Dense(2, name=f"part_{index}")(x) for index in range(3)]
    kinds = ("Add", "Average", "Maximum", "Minimum", "Multiply")
    results = [getattr(keras.layers, kind)(name=kind.lower())(parts) for kind in kinds]
    return keras.Model(x, keras.layers.Concatenate(name="all")(results))


MODELS: dict[str, Callable[[Any], Any]] = {
    "relu6": lambda k: chain(k, (6,), k.layers.Dense(4), k.layers.ReLU(max_value=6)),
    "normalization": lambda k: chain(
        k, (3,), k.layers.Normalization(mean=[1.0, 2, 3], variance=[4.0, 1, 0.25])
    ),
    "rescaling": lambda k: chain(k, (4, 4, 1), k.layers.Rescaling(1 / 255, offset=-0.5)),
    "noise": lambda k: chain(
        k,
        (3,),
        k.layers.GaussianNoise(0.5),
        k.layers.ActivityRegularization(0.1),
        k.layers.Dense(2),
    ),
    "inner models, one of them shared": inner,
    "dense for every step": lambda k: chain(
        k, (4, 6), k.layers.TimeDistributed(k.layers.Dense(3, activation="relu"))
    ),
    "separable images": lambda k: chain(
        k, (6, 6, 2), k.layers.SeparableConv2D(3, 3, padding="same", activation="relu")
    ),
    "separable series": lambda k: chain(k, (6, 2), k.layers.SeparableConv1D(3, 3, strides=2)),
    "five joined": joined,
    "constants": shifted,
    "operations": operations,
    "slices": slices,
    "merges of three": merged,
    "shared slopes": lambda k: chain(
        k, (4, 4, 2), k.layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_normal")
    ),
    "identity": lambda k: chain(k, (3,), k.layers.Identity(), k.layers.Dense(2)),
    "recurrent steps": lambda k: chain(
        k,
        (4, 3),
        k.layers.SimpleRNN(3, return_sequences=True),
        k.layers.SimpleRNN(2, use_bias=False, activation="relu"),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_rewrite_changes_no_output(keras: Any, name: str) -> None:
    model = MODELS[name](keras)
    changed = rewritten(model)
    assert changed is not model
    x = RNG.normal(size=(8, *model.inputs[0].shape[1:])).astype(np.float32) * 5
    assert np.allclose(changed(x), model(x), rtol=1e-5, atol=1e-6)


def test_hls4ml_reads_every_rewritten_model(keras: Any, tmp_path: Path) -> None:
    for number, make in enumerate(MODELS.values()):
        path = tmp_path / f"model_{number}.keras"
        make(keras).save(path)
        assert choice.load(identify(path)).configure("Vivado")["LayerName"]


def test_a_layer_that_hls4ml_cannot_convert_is_named(keras: Any, tmp_path: Path) -> None:
    for layer in (keras.layers.RepeatVector(3, name="mine"), keras.layers.Masking(name="mine")):
        path = tmp_path / f"{type(layer).__name__}.keras"
        shape = (4,) if type(layer).__name__ == "RepeatVector" else (4, 2)
        chain(keras, shape, layer).save(path)
        with pytest.raises(UnsupportedModelError, match=r"layer mine .*no such layer"):
            choice.load(identify(path)).configure("Vivado")


def test_a_model_that_its_framework_cannot_compute_is_refused(keras: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    chain(keras, (3,), keras.layers.Dense(2)).save(path)
    loaded, wider = choice.load(identify(path)), np.zeros((2, 4), np.float32)
    with pytest.raises(UnsupportedModelError, match=r"cannot compute .*input shape"):
        predicted(loaded, wider, tmp_path / "y.npy", signs=False)


def test_a_model_that_computes_nothing_is_refused(keras: Any, tmp_path: Path) -> None:
    chain(keras, (3,), keras.layers.Dropout(0.5)).save(path := tmp_path / "model.keras")
    x = np.zeros((4, 3), np.float32)
    with pytest.raises(UnsupportedModelError, match="computes nothing"):
        converted_file(path, x, x)


def test_a_model_without_such_layers_stays_as_it_is(keras: Any) -> None:
    model = chain(keras, (3,), keras.layers.Dense(4, activation="relu"), keras.layers.Dropout(0.5))
    assert rewritten(model) is model


def test_hard_sigmoid_keeps_the_slope_of_keras_3(keras: Any, tmp_path: Path) -> None:
    from hls4ml.converters.keras_v3_to_hls import parse_keras_v3_model

    model = chain(keras, (3,), keras.layers.Dense(2, activation="hard_sigmoid"))
    model.save(tmp_path / "model.keras")
    keras3.load(tmp_path / "model.keras")  # which mends hls4ml
    layers, *_ = parse_keras_v3_model(model)
    slope = float(keras.activations.hard_sigmoid(1.0)) - 0.5
    assert [each["slope"] for each in layers if "slope" in each] == [pytest.approx(slope)]


@pytest.mark.slow
def test_a_rewritten_model_becomes_a_core(
    keras: Any, tmp_path: Path, traced: Callable[..., HlsProject]
) -> None:
    layers = keras.layers
    chain(
        keras,
        (6, 6, 2),
        layers.Rescaling(0.5, offset=0.25, name="scaled"),
        layers.SeparableConv2D(3, 3, name="separable"),
        layers.ReLU(max_value=6, name="limited"),
        layers.Flatten(name="flat"),
        chain(keras, (48,), layers.Dense(3, name="scores")),
    ).save(tmp_path / "model.keras")
    assert largest_error(traced(tmp_path / "model.keras", precision="fixed<16,6>")) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_a_recurrent_model_becomes_a_core(
    keras: Any, tmp_path: Path, traced: Callable[..., HlsProject], name: str
) -> None:
    keras.utils.set_random_seed(3)
    cells = getattr(keras.layers, name)(3, name="cells")
    chain(keras, (4, 3), cells, keras.layers.Dense(2, name="scores")).save(tmp_path / "model.keras")
    fidelity = traced(tmp_path / "model.keras").fidelity
    assert fidelity is not None
    assert fidelity.rmse < 0.05 * fidelity.spread


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"recurrent_activation": "hard_sigmoid"}, "layer cells .*hard_sigmoid.*sigmoid"),
        ({"reset_after": False}, "layer cells .*resets its state"),
        ({"go_backwards": True}, "layer cells has go_backwards=True"),
    ],
)
def test_recurrent_layers_that_hls4ml_would_compute_wrongly_are_named(
    keras: Any,
    tmp_path: Path,
    traced: Callable[..., HlsProject],
    settings: dict[str, Any],
    named: str,
) -> None:
    chain(keras, (4, 3), keras.layers.GRU(3, name="cells", **settings)).save(tmp_path / "m.keras")
    with pytest.raises(UnsupportedModelError, match=named):
        traced(tmp_path / "m.keras")


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda k: chain(k, (6,), k.layers.LayerNormalization(name="n")), "n .*BatchNorm"),
        (lambda k: chain(k, (6,), k.layers.Embedding(9, 2, name="e")), "e .*vectors"),
        (
            lambda k: chain(k, (6,), k.layers.Dense(2, activation="gelu", name="g")),
            "g .*gelu.*relu",
        ),
        (
            lambda k: chain(k, (6,), k.layers.ReLU(max_value=2, name="r")),
            "r .*up to 2.*=6",
        ),
        (
            lambda k: chain(k, (8, 8, 1), k.layers.Conv2D(2, 3, dilation_rate=2, name="c")),
            "c .*dilated",
        ),
        (lambda k: chain(k, (8, 8, 4), k.layers.Conv2D(4, 3, groups=2, name="c")), "c .*in groups"),
        (
            lambda k: chain(k, (8, 8, 1), k.layers.Conv2DTranspose(2, 3, name="t")),
            "t .*UpSampling2D",
        ),
        (
            lambda k: chain(
                k, (8, 8, 2), k.layers.DepthwiseConv2D(3, depth_multiplier=2, name="d")
            ),
            ".*depth_multiplier",
        ),
        (
            lambda k: chain(
                k, (4, 8, 1), k.layers.TimeDistributed(k.layers.Conv1D(2, 3), name="steps")
            ),
            "steps .*Conv1D for every step",
        ),
        (
            lambda k: chain(k, (4, 2), k.layers.SimpleRNN(2, go_backwards=True, name="r")),
            "r .*backwards.*GRU",
        ),
        (lambda k: k.Model(x := k.layers.Input((6,)), x[:, ::2]), "get_item.* without a step"),
        (lambda k: k.Model(x := k.layers.Input((6,)), k.ops.abs(x)), r"absolute.*keras\.ops"),
        (
            lambda k: k.Model(x := k.layers.Input((4, 6)), k.layers.Dot(1, name="d")([x, x])),
            "d .*QEinsum",
        ),
    ],
)
def test_what_has_no_rewrite_is_named_with_a_replacement(
    keras: Any, make: Callable[[Any], Any], named: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"(?s)layer {named}") as refused:
        rewritten(make(keras))
    assert refused.value.remedy.startswith("replace it by ")


def test_recurrent_layers_of_hgq2_are_named(keras: Any) -> None:
    from hgq.layers import QGRU

    with pytest.raises(UnsupportedModelError, match=r"layer steps .*layers of HGQ2"):
        rewritten(chain(keras, (4, 2), QGRU(2, name="steps")))
