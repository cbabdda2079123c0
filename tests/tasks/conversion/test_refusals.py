"""Models, data and settings that cannot be converted; here, this process imports TensorFlow."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from board.kinds import board_kinds
from tasks.conversion import hls
from tasks.conversion.child import ConvertRequest, convert
from tasks.conversion.elements import fixed_point
from tasks.conversion.elements import plain as plain_type
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.digests import file_digest
from tasks.core.errors import InputError, OverlayflowError, UnsupportedModelError
from tasks.core.records.settings import ConvertSettings
from tests.tasks import samples

ROOT = Path(__file__).parents[3]
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


def test_a_setting_for_a_layer_that_the_model_does_not_have(plain: Path, tmp_path: Path) -> None:
    error = refusal(tmp_path, plain, layer_precision={"hiden": "fixed<8,4>"})
    assert isinstance(error, InputError)
    assert "the model has no layer 'hiden'" in str(error)
    assert error.remedy


@pytest.mark.parametrize("changed", ["model", "data"])
def test_a_file_that_changes_while_the_run_starts(
    plain: Path, tmp_path: Path, changed: str
) -> None:
    """The key of what is stored comes from the content before."""
    np.savez(tmp_path / "data.npz", X_test=X, y_test=CLASSES)
    digests = {"model": file_digest(plain), "data": file_digest(tmp_path / "data.npz")}
    digests[changed] = "0" * 64
    request = ConvertRequest(
        model=plain,
        model_digest=digests["model"],
        data=tmp_path / "data.npz",
        data_digest=digests["data"],
        settings=ConvertSettings(project_name="changed"),
        entry=samples.entry("convert"),
        out=tmp_path,
    )
    with pytest.raises(InputError, match="was changed while the run started"):
        convert(request)


def converted(model: Path, directory: Path, **settings: Any) -> Any:
    """hls4ml's graph, not compiled."""
    loaded = choice.load(identify(model))
    chosen = ConvertSettings.model_validate({"project_name": "tables", **settings})
    kind = board_kinds()[chosen.board_kind]
    files = (directory / "x.npy", directory / "y.npy")
    return hls.convert(loaded, chosen, kind, directory, files, sample=X).graph


def test_settings_of_every_table_of_a_softmax_have_their_effect(keras: Any, tmp_path: Path) -> None:
    """hls4ml's documentation calls them exp_table_t, inv_table_t and so on."""
    softmax = keras.layers.Dense(4, activation="softmax", name="scores")
    keras.Sequential([keras.layers.Input((16,)), softmax]).save(tmp_path / "softmax.keras")
    tables = {"exp_table": "fixed<20,9>", "inv_table": "fixed<19,5>", "inv_inp": "fixed<17,7>"}
    given = {f"scores_softmax.{name}": text for name, text in tables.items()}
    graph = converted(tmp_path / "softmax.keras", tmp_path, layer_precision=given)
    types = graph.graph["scores_softmax"].types
    found = {name: fixed_point(plain_type(types[f"{name}_t"].precision)) for name in tables}
    assert {name: each and (each.width, each.integer) for name, each in found.items()} == {
        "exp_table": (20, 9), "inv_table": (19, 5), "inv_inp": (17, 7),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "told"),
    [("hidden_relu.weight", "has no 'weight'"), ("hidden.exp_table", "has no 'exp_table'")],
)
def test_settings_without_effect(plain: Path, tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        converted(plain, tmp_path, layer_precision={name: "fixed<8,4>"})


def test_an_impossible_reuse_factor_becomes_the_closest_which_is_said(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = converted(plain, tmp_path, strategy="Resource", reuse_factor=7)
    assert graph.graph["hidden"].get_attr("reuse_factor") == 8
    # test_convert.py shows that hls4ml's warnings reach the log of the run.
    assert 'WARNING: Invalid ReuseFactor=7 in layer "hidden"' in capsys.readouterr().out


def test_a_precision_for_a_model_whose_layers_all_have_their_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"precision fixed<4,1>: has no effect: all layers"):
        converted(ROOT / "examples" / "digits" / "digits.keras", tmp_path, precision="fixed<4,1>")
