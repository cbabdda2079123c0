"""Plain Keras models as people train them first, converted with default settings."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.errors import GateError
from tasks.core.records.design import HlsProject
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tests.tasks.conversion.conversions import converted_file, loses_less_than_a_hundredth

pytestmark = [
    pytest.mark.slow,  # each trains a model and compiles its C simulation
    pytest.mark.filterwarnings("ignore"),  # TensorFlow's and hls4ml's own
]
Made = tuple[Any, np.ndarray, np.ndarray]


@pytest.fixture
def keras() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import keras

        keras.utils.set_random_seed(3)
        yield keras


def blobs(scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    centres, y = rng.normal(size=(3, 8)) * 1.5, rng.integers(0, 3, 1200)
    return (scale * (centres[y] + rng.normal(size=(1200, 8)))).astype(np.float32), y


def trained(model: Any, loss: Any, x: np.ndarray, y: np.ndarray, epochs: int = 8) -> Made:
    model.compile("adam", loss)
    model.optimizer.learning_rate = 0.02
    model.fit(x, y, epochs=epochs, batch_size=64, verbose=0)
    return model, x[:300], y[:300]


def softmax(keras: Any) -> Made:
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(12, "relu"), layers.Dense(3, "softmax", name="scores")]
    )
    return trained(model, "sparse_categorical_crossentropy", *blobs())


def unscaled(keras: Any) -> Made:
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(12, "relu", name="hidden"), layers.Dense(3, "softmax")]
    )
    return trained(model, "sparse_categorical_crossentropy", *blobs(200.0))


def sigmoid(keras: Any) -> Made:
    layers = keras.layers
    stack = [keras.Input((8,)), layers.Dense(8, "relu"), layers.BatchNormalization()]
    model = keras.Sequential([*stack, layers.Dense(1, "sigmoid")])
    x, y = blobs()
    return trained(model, "binary_crossentropy", x, (y == 1).astype(int))


def logits(keras: Any) -> Made:
    layers = keras.layers
    model = keras.Sequential([keras.Input((8,)), layers.Dense(8, "tanh"), layers.Dense(1)])
    x, y = blobs()
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return trained(model, loss, x, (y == 1).astype(int))


def regression(keras: Any) -> Made:
    layers = keras.layers
    model = keras.Sequential([keras.Input((8,)), layers.Dense(12, "relu"), layers.Dense(1)])
    x, _ = blobs()
    y = 100 + 20 * x[:, :1] - 7 * x[:, 1:2] * x[:, 2:3]
    return trained(model, "mse", x, y, epochs=30)


def autoencoder(keras: Any) -> Made:
    layers = keras.layers
    stack = [keras.Input((12,)), layers.Dense(8, "relu"), layers.Dense(3)]
    model = keras.Sequential([*stack, layers.Dense(8, "relu"), layers.Dense(12)])
    rng = np.random.default_rng(5)
    x = np.tanh(rng.normal(size=(1200, 3)) @ rng.normal(size=(3, 12))).astype(np.float32)
    return trained(model, "mse", x, x, epochs=12)


def cnn(keras: Any) -> Made:
    layers = keras.layers
    stack = [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu")]
    stack += [layers.BatchNormalization(), layers.MaxPooling2D(2), layers.Flatten()]
    model = keras.Sequential([*stack, layers.Dense(4, "softmax")])
    return trained(model, "sparse_categorical_crossentropy", *quarters())


def averaging(keras: Any) -> Made:
    layers = keras.layers
    stack = [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, padding="same", activation="relu")]
    stack += [layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D(name="mean")]
    model = keras.Sequential([*stack, layers.Dense(4, "softmax")])
    x, y = quarters()
    return trained(model, "sparse_categorical_crossentropy", 30 * x, y)


def quarters() -> tuple[np.ndarray, np.ndarray]:
    """Images with one bright quarter."""
    rng = np.random.default_rng(7)
    x, y = rng.uniform(0, 0.4, (800, 8, 8, 1)).astype(np.float32), rng.integers(0, 4, 800)
    for image, quarter in zip(x, y, strict=True):
        row, column = divmod(int(quarter), 2)
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 0.4
    return x, y


def pixels(keras: Any) -> Made:
    """A class for every pixel."""
    layers = keras.layers
    stack = [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, padding="same", activation="relu")]
    model = keras.Sequential([*stack, layers.Conv2D(2, 1, activation="softmax")])
    x, _ = quarters()
    labels = (x[..., 0] > 0.4).astype(int)
    return trained(model, "sparse_categorical_crossentropy", x, labels)


def converted(made: Made, directory: Path, **settings: Any) -> HlsProject:
    model, x, y = made
    model.save(directory / "model.keras")
    return converted_file(directory / "model.keras", x, y, **settings)


@pytest.mark.parametrize(
    "make",
    [softmax, unscaled, sigmoid, regression, autoencoder, cnn, averaging, pixels],
)
def test_a_first_model_loses_less_than_a_hundredth(
    make: Callable[[Any], Made], keras: Any, tmp_path: Path
) -> None:
    loses_less_than_a_hundredth(converted(make(keras), tmp_path))


@pytest.mark.parametrize(
    ("make", "precision", "layer"),
    [
        (softmax, "fixed<6,3>", "scores"),
        (unscaled, "fixed<16,6>", "hidden"),
    ],
)
def test_a_ruined_one_fails_and_its_layer_is_named(
    make: Callable[[Any], Made], precision: str, layer: str, keras: Any, tmp_path: Path
) -> None:
    project = converted(make(keras), tmp_path, precision=precision)
    with pytest.raises(GateError) as caught:
        gates.require(gates.after_convert(project, GateSettings()))
    assert layer in str(caught.value)


def growing(keras: Any, x: np.ndarray) -> Made:
    """Positive values by softplus, which hls4ml tabulates from -8 to 8."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "softplus", name="height")])
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    return model, x, model.predict(x, verbose=0)


def test_values_beyond_a_table_fail_with_its_span_and_pass_once_scaled(
    keras: Any, tmp_path: Path
) -> None:
    x = np.linspace(-6, 6, 200, dtype=np.float32)[:, None]
    (tmp_path / "scaled").mkdir()
    loses_less_than_a_hundredth(converted(growing(keras, x), tmp_path / "scaled"))
    project = converted(growing(keras, 10 * x), tmp_path)
    with pytest.raises(GateError, match=r"softplus for inputs from -8 to 8, and these reach 60"):
        gates.require(gates.after_convert(project, GateSettings()))


def test_an_average_whose_sum_wraps_around_fails_with_its_layer(keras: Any, tmp_path: Path) -> None:
    narrow = {"mean.accum": "fixed<8,2>"}
    project = converted(averaging(keras), tmp_path, layer_precision=narrow)
    assert ("mean", "accum") in {(each.layer, each.variable) for each in project.overflows}
    with pytest.raises(GateError, match="mean"):
        gates.require(gates.after_convert(project, GateSettings()))


def test_logits_are_judged_at_0(keras: Any, tmp_path: Path) -> None:
    project = converted(logits(keras), tmp_path)
    loses_less_than_a_hundredth(project)
    assert project.meaning.threshold == 0
    assert project.accuracy_framework is not None
    assert project.accuracy_framework > 0.9


def test_labels_of_other_samples_are_told_by_a_warning(keras: Any, tmp_path: Path) -> None:
    model, x, y = softmax(keras)
    project = converted((model, x, np.roll(y, 1)), tmp_path)
    checked = gates.require(gates.after_convert(project, GateSettings()))
    assert [gate.name for gate in checked if not gate.passed] == ["better than chance"]
