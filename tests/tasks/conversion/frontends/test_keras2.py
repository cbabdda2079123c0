"""Files of Keras 2 become cores: plain ones, QKeras 0.9, HGQ 1, pruned ones, old forms."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.errors import UnsupportedModelError
from tasks.core.records.design import FixedPoint, HlsProject
from tasks.core.records.settings import ConvertSettings
from tasks.steps import building
from tasks.store.store import Store
from tasks.toolchains.choice import choose
from tests.tasks.conversion.conversions import largest_error
from tests.tasks.conversion.frontends.conftest import made

pytestmark = pytest.mark.slow

Traced = Callable[[Path], HlsProject]

LOAD = """
import sys
from pathlib import Path
import numpy as np
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
out, *paths = sys.argv[1:]
x = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
outputs = []
for file in map(identify, map(Path, paths)):
    assert file.framework == "keras2"
    loaded = choice.load(file)
    assert (loaded.input.shape, loaded.output.shape) == ((6,), (3,))
    assert loaded.configure("Vivado")["LayerName"].keys() >= {"hidden", "scores"}
    outputs.append(loaded.predict(x))
np.save(out, outputs)
"""

GRAPHS = """
import sys
from pathlib import Path
import numpy as np
from tasks.conversion.child import drawn
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.errors import UnsupportedModelError
from tasks.core.records.design import FixedPoint
directory = Path(sys.argv[1])
loaded = choice.load(identify(directory / "garnet.h5"))
assert [(each.name, each.most) for each in loaded.inputs] == [("points", 0), ("count", 4)]
got = loaded.predict(np.load(directory / "garnet_x.npy"))
assert np.array_equal(got, np.load(directory / "garnet_y.npy"))
counts = drawn(loaded, FixedPoint(width=12, integer=5))[:, -1]
assert set(counts) == {1, 2, 3, 4}
path, text = directory / "ternary.json", (directory / "ternary.json").read_text()
for old, new in (("collapse", ": null"), ("mean_by_nvert", ": true")):
    start = text.index(f'"{old}"') + len(old) + 2
    path.write_text(text[:start] + new + text[text.index(",", start):])
    try:
        choice.load(identify(path))
    except UnsupportedModelError as error:
        print(error)
path.write_text(text)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("make_keras2.py", tmp_path_factory.mktemp("keras2"))


def test_a_plain_model_becomes_a_core(models: Path, traced: Traced) -> None:
    project = traced(models / "plain.h5")
    assert (project.input.shape, project.output.shape) == ((6,), (3,))
    assert largest_error(project) < 0.05
    assert "tf_keras" in project.versions


def test_every_form_of_a_model_has_the_same_outputs(models: Path, tmp_path: Path) -> None:
    """Loaded in one process, as the conversion's child loads each."""
    paths = [models / name for name in ("plain.h5", "plain.keras", "architecture.json", "list.h5")]
    packages = choice.packages(identify(paths[0]))
    env = os.environ | {"PYTHONPATH": f"{packages}:{Path.cwd()}"}
    command = [sys.executable, "-c", LOAD, str(tmp_path / "outputs.npy"), *map(str, paths)]
    subprocess.run(command, env=env, check=True, capture_output=True)
    first, *others = np.load(tmp_path / "outputs.npy")
    assert first.shape == (20, 3)
    assert np.ptp(first) > 0
    for each in others:
        assert np.array_equal(each, first)


def test_qkeras_layers_keep_their_own_precisions_behind_several_inputs(
    models: Path, traced: Traced
) -> None:
    project = traced(models / "quantised.h5")
    assert project.versions["QKeras"] == "0.9.0"
    assert [(each.name, each.shape) for each in project.inputs] == [("left", (6,)), ("right", (2,))]
    assert [(each.name, each.shape) for each in project.outputs] == [
        ("scores", (3,)),
        ("place", (2,)),
    ]
    assert largest_error(project) < 0.05


def test_the_jet_tagger_of_the_tutorial_keeps_its_accuracy_to_the_last_bit(
    models: Path, store: Store
) -> None:
    assert models.is_dir()  # QKeras is there
    jets = Path(__file__).parents[4] / "examples" / "jets" / "jets_synthetic.h5"
    settings = ConvertSettings(project_name="jets")
    project = building.convert(jets, jets.with_suffix(".npz"), settings).get(store)
    assert project.samples == 1000
    assert project.accuracy_csim == project.accuracy_framework == 0.955
    assert project.fidelity is not None
    assert project.fidelity.rmse < 0.01 * project.fidelity.spread
    building.synthesize(project, choose("open")).get(store)  # an error where bits differ


def test_weights_may_be_powers_of_two_but_biases_may_not(models: Path, traced: Traced) -> None:
    assert largest_error(traced(models / "powers.h5")) < 0.05
    for name, why in (
        ("powers_as_biases", "has biases that are powers of two"),
        (
            "even_powers",
            r"has weights of 2\^-16 to 2\^-16, and hls4ml keeps exponents from -8 to 7",
        ),
    ):
        with pytest.raises(UnsupportedModelError, match=f"layer scores {why}"):
            traced(models / f"{name}.h5")


def test_an_hgq_model_is_bit_exact_with_its_framework(models: Path, traced: Traced) -> None:
    project = traced(models / "proxy.h5")
    assert project.backend == "Vivado"
    assert project.input.element != FixedPoint(width=16, integer=6)
    assert largest_error(project) == 0


def test_an_hgq_model_without_its_ranges_names_the_call_that_saves_them(
    models: Path, traced: Traced
) -> None:
    with pytest.raises(UnsupportedModelError, match=r"to_proxy_model\(model"):
        traced(models / "hgq.h5")


def test_several_inputs_of_hgq_1_are_refused(models: Path, traced: Traced) -> None:
    with pytest.raises(UnsupportedModelError, match="is an HGQ 1 model with 2 inputs"):
        traced(models / "two_proxies.h5")


def test_pruning_wrappers_come_off(models: Path, traced: Traced) -> None:
    assert largest_error(traced(models / "pruned.h5")) < 0.05


def test_a_separable_convolution_becomes_two(models: Path, traced: Traced) -> None:
    assert largest_error(traced(models / "separable.h5")) < 0.05


def test_layers_of_signs_are_computed_without_their_authors_code(
    models: Path, traced: Traced
) -> None:
    project = traced(models / "signs.json")
    assert project.fidelity is not None
    assert project.fidelity.rmse < 0.1 * project.fidelity.spread  # a sign may turn where it is near


def test_signs_that_hls4ml_would_round_otherwise_are_named(
    models: Path, traced: Traced, tmp_path: Path
) -> None:
    path = tmp_path / "signs.json"
    path.write_text((models / "signs.json").read_text().replace('"H": 1.0', '"H": 2.0', 1))
    shutil.copy(models / "signs_weights.h5", tmp_path)
    with pytest.raises(
        UnsupportedModelError, match=r"layer first \(BinaryDense\) has weights of 2"
    ):
        traced(path)


def test_a_graph_layer_is_computed_by_its_authors_code(models: Path) -> None:
    packages = choice.packages(identify(models / "garnet.h5"))
    env = os.environ | {"PYTHONPATH": f"{packages}:{Path.cwd()}"}
    command = [sys.executable, "-c", GRAPHS, str(models)]
    told = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    for what in ("has collapse=None", "has mean_by_nvert"):
        assert f"layer nodes (GarNetStack) {what}" in told


def test_a_stack_of_graph_layers_becomes_a_core(models: Path, traced: Traced) -> None:
    """Its weights are -1, 0 and 1, as hls4ml reads them."""
    project = traced(models / "ternary.json")
    assert [(each.name, each.shape) for each in project.inputs] == [
        ("points", (4, 3)),
        ("count", (1,)),
    ]
    assert largest_error(project) < 0.1


def test_code_in_a_file_is_never_run(models: Path, traced: Traced) -> None:
    with pytest.raises(UnsupportedModelError, match="contains a Lambda layer, which is code"):
        traced(models / "lambda.h5")
