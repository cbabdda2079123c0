"""Models, data and settings that cannot be converted; here, this process imports TensorFlow."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.conversion.child import ConvertRequest, convert
from tasks.core.errors import InputError, OverlayflowError, UnsupportedModelError
from tasks.core.records.settings import ConvertSettings
from tasks.packaging.archive import file_digest
from tests.tasks import samples

X = np.random.default_rng(3).normal(size=(6, 16)).astype(np.float32)
CLASSES = np.arange(6) % 4


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own
        import keras

        yield keras


@pytest.fixture(scope="module")
def plain(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that can be converted: 16 inputs, 4 outputs."""
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")
    layers = [keras.layers.Input((16,)), hidden, keras.layers.Dense(4, name="scores")]
    path = tmp_path_factory.mktemp("models") / "plain.keras"
    keras.Sequential(layers).save(path)
    return path


def refusal(
    directory: Path,
    model: Path,
    x: np.ndarray[Any, Any] = X,
    y: np.ndarray[Any, Any] = CLASSES,
    **settings: Any,
) -> OverlayflowError:
    """What is said of a conversion that must be refused."""
    np.savez(directory / "data.npz", X_test=x, y_test=y)
    out = directory / "out"
    out.mkdir()
    request = ConvertRequest(
        model=model,
        model_digest=file_digest(model),
        data=directory / "data.npz",
        data_digest=file_digest(directory / "data.npz"),
        settings=ConvertSettings.model_validate({"project_name": "refused", **settings}),
        entry=samples.entry("convert"),
        out=out,
    )
    with pytest.raises(OverlayflowError) as refused:
        convert(request)
    return refused.value


def test_one_array_for_a_model_with_two_inputs(keras: Any, tmp_path: Path) -> None:
    left, right = (keras.layers.Input((16,), name=name) for name in ("left", "right"))
    model = keras.Model([left, right], keras.layers.Add()([left, right]))
    model.save(tmp_path / "two.keras")
    error = refusal(tmp_path, tmp_path / "two.keras")
    assert isinstance(error, InputError)
    assert "the data contain X_test, the model has 2 inputs (left, right)" in str(error)
    assert "X_test_left, X_test_right" in error.remedy


def test_a_model_with_code_of_its_own(keras: Any, tmp_path: Path) -> None:
    pixels = keras.layers.Input((16,))
    keras.Model(pixels, keras.layers.Lambda(lambda t: t * 2)(pixels)).save(tmp_path / "own.keras")
    error = refusal(tmp_path, tmp_path / "own.keras")
    assert isinstance(error, UnsupportedModelError)
    assert "own.keras: contains a Lambda layer, which is code in the file" in str(error)


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (X[:, :15], CLASSES, "the model takes (16,)"),
        (X / np.float64(3), CLASSES, "X_test is float64, and float32, which the model takes"),
        (X, CLASSES + 1, "the model has classes 0 to 3"),
    ],
)
def test_data_of_another_model(
    plain: Path, tmp_path: Path, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], told: str
) -> None:
    error = refusal(tmp_path, plain, x, y)
    assert isinstance(error, InputError)
    assert told in str(error)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"layer_precision": {"hiden": "fixed<8,4>"}}, "the model has no layer 'hiden'"),
        (
            {"strategy": "Resource", "reuse_factor": 7},
            "layer hidden: reuse factor 7 is not possible with strategy Resource",
        ),
    ],
)
def test_settings_that_the_model_does_not_allow(
    plain: Path, tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    error = refusal(tmp_path, plain, **settings)
    assert isinstance(error, InputError)
    assert told in str(error)
    assert error.remedy
