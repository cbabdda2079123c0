"""Programs of torch.export, and everything of PyTorch that is code."""

import json
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.errors import GateError, InputError, UnsupportedModelError
from tasks.core.records.design import HlsProject
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tests.tasks.conversion.conversions import (
    converted_file,
    largest_error,
    loses_less_than_a_hundredth,
)

pytestmark = pytest.mark.slow  # PyTorch is set up for these alone: make env-pytorch

X = np.random.default_rng(3).normal(size=(5, 2, 6, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="make env-pytorch installs what this needs")


@pytest.fixture(scope="module")
def model(torch: Any) -> Any:
    torch.manual_seed(3)
    layers = torch.nn
    return layers.Sequential(
        layers.Conv2d(2, 3, 3),
        layers.BatchNorm2d(3),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Linear(48, 3),
    ).eval()


@pytest.fixture(scope="module")
def exported(torch: Any, model: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("torch") / "model.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        torch.export.save(torch.export.export(model, (torch.zeros(2, 2, 6, 6),)), path)
        yield path


def changed(exported: Path, path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """Return a copy of a program with its members changed."""
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name.partition("/")[2], old.read(name)))
    return path


def test_outputs_are_pytorchs_whatever_batch_it_was_exported_with(
    torch: Any, model: Any, exported: Path
) -> None:
    found = identify(exported)
    assert found.framework == "pytorch"
    loaded = choice.load(found)
    assert (loaded.input.shape, loaded.output.shape) == ((2, 6, 6), (3,))
    with torch.no_grad():
        expected = model(torch.from_numpy(X)).numpy()
    assert np.allclose(loaded.predict(X), expected, atol=1e-5)


def test_a_program_becomes_a_core(exported: Path, traced: Callable[[Path], HlsProject]) -> None:
    project = traced(exported)
    assert project.input.shape == (2, 6, 6)
    assert largest_error(project) < 0.1
    assert "torch" in project.versions


def test_a_first_classifier_loses_less_than_a_hundredth_and_a_ruined_ones_layer_is_named(
    torch: Any, tmp_path: Path
) -> None:
    layers = torch.nn
    torch.manual_seed(3)
    y = torch.randint(0, 3, (900,))
    x = 100 * (torch.randn(3, 6)[y] * 1.5 + torch.randn(900, 6))  # never scaled
    body = layers.Sequential(layers.Linear(6, 12), layers.ReLU(), layers.Linear(12, 3))
    optimizer = torch.optim.Adam(body.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        layers.functional.cross_entropy(body(x), y).backward()
        optimizer.step()
    model = layers.Sequential(body, layers.Softmax(dim=1)).eval()
    for name in ("first", "ruined"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's own
            program = torch.export.export(model, (x[:2],))
            torch.export.save(program, tmp_path / f"{name}.pt2")
    data = x[:300].numpy(), y[:300].numpy()
    loses_less_than_a_hundredth(converted_file(tmp_path / "first.pt2", *data))
    narrow = {"Dense_MatMul_1.weight": "fixed<3,1>"}
    ruined = converted_file(tmp_path / "ruined.pt2", *data, layer_precision=narrow)
    with pytest.raises(GateError, match="first layer that departs is Dense_MatMul_1"):
        gates.require(gates.after_convert(ruined, GateSettings()))


def test_every_form_that_is_code_is_refused_with_the_lines_that_export_it(
    torch: Any, model: Any, tmp_path: Path
) -> None:
    torch.save(model, tmp_path / "pickle.pt")
    torch.save(model, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as script:
        script.writestr("script/code/__torch__.py", "open('/etc/passwd')")
    for name in ("pickle.pt", "old.pt", "weights.pth", "script.pt"):
        with pytest.raises(UnsupportedModelError, match=r"never loaded(?s:.*)torch\.export\.save"):
            identify(tmp_path / name)


def test_a_pickled_estimator_is_refused_with_the_lines_that_export_it(tmp_path: Path) -> None:
    from sklearn.neural_network import MLPClassifier

    path = tmp_path / "model.joblib"
    joblib.dump(MLPClassifier(), path)
    with pytest.raises(UnsupportedModelError, match=r"is a pickle(?s:.*)to_onnx\(model"):
        identify(path)


class Bomb:
    """Makes a directory when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.made),))


def test_a_pickle_among_the_sample_inputs_is_never_loaded(exported: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"

    def armed(name: str, content: bytes) -> bytes:
        return pickle.dumps(Bomb(made)) if name.startswith("data/sample_inputs/") else content

    path = changed(exported, tmp_path / "bomb.pt2", armed)
    assert choice.load(identify(path)).predict(X).shape == (5, 3)
    assert not made.exists()


def test_pickled_weights_are_refused(exported: Path, tmp_path: Path) -> None:
    def pickled(name: str, content: bytes) -> bytes:
        if not name.endswith("weights_config.json"):
            return content
        return content.replace(b'"use_pickle": false', b'"use_pickle": true')

    path = changed(exported, tmp_path / "pickled.pt2", pickled)
    with pytest.raises(UnsupportedModelError, match="as a pickle or compiled code"):
        identify(path)


@pytest.mark.parametrize("target", ["torch.os.system", "math.sqrt", "torch.ops.mine.op.default"])
def test_calls_of_anything_but_tensor_operations_are_refused(
    exported: Path, tmp_path: Path, target: str
) -> None:
    def called(name: str, content: bytes) -> bytes:
        if not name.startswith("models/"):
            return content
        program = json.loads(content)
        program["graph_module"]["graph"]["nodes"][0]["target"] = target
        return json.dumps(program).encode()

    path = changed(exported, tmp_path / "calls.pt2", called)
    with pytest.raises(UnsupportedModelError, match=f"calls {target}"):
        identify(path)


def test_symbols_and_guards_that_would_be_evaluated_are_not(exported: Path, tmp_path: Path) -> None:
    def guarded(name: str, content: bytes) -> bytes:
        if not name.startswith("models/"):
            return content
        return json.dumps(
            json.loads(content) | {"guards_code": ["__import__('os').abort()"]}
        ).encode()

    def symbol(name: str, content: bytes) -> bytes:
        if not name.startswith("models/"):
            return content
        return content.replace(b'{"as_int": 6}', b'{"as_expr": {"expr_str": "exit(3)"}}', 1)

    path = changed(exported, tmp_path / "guards.pt2", guarded)
    assert choice.load(identify(path)).predict(X).shape == (5, 3)
    with pytest.raises(UnsupportedModelError, match=r"depends on the input: exit\(3\)"):
        identify(changed(exported, tmp_path / "symbols.pt2", symbol))


def test_a_damaged_program_is_refused(exported: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(exported) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("weights/weight_0"))
        weight = archive.read(name)
    content = exported.read_bytes()
    for damaged in (content.replace(weight, weight[::-1]), content[:-100], content[:100], b""):
        path = tmp_path / "damaged.pt2"
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"torch\.export, or is damaged"):
            identify(path)


def test_several_inputs_and_outputs_are_joined_in_the_models_order(
    torch: Any, tmp_path: Path
) -> None:
    class Two(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = torch.nn.Linear(4, 3), torch.nn.Linear(2, 3)

        def forward(self, left: Any, right: Any) -> tuple[Any, Any]:
            y = torch.relu(self.left(left)) + self.right(right)
            return y, torch.relu(y)

    model = Two().eval()
    path = tmp_path / "two.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        examples = torch.zeros(2, 4), torch.zeros(2, 2)
        torch.export.save(torch.export.export(model, examples), path)
        loaded = choice.load(identify(path))
    assert [(each.name, each.shape) for each in loaded.inputs] == [("left", (4,)), ("right", (2,))]
    rows = torch.randn(5, 6)
    with torch.no_grad():
        expected = np.concatenate(
            [each.numpy() for each in model(rows[:, :4], rows[:, 4:])], axis=1
        )
    assert np.allclose(loaded.predict(rows.numpy()), expected, atol=1e-6)
    assert loaded.configure("Vivado")["LayerName"]
