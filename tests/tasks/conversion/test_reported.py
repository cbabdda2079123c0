"""Models of public reports that lie beside the repository: what made wrong numbers pass, does not.

What the other cases show is of surroundings, which tests of their own set up: servers that boards
run, proxies, locales, file systems.
"""

from pathlib import Path

import pytest

from tasks.conversion.names import is_free
from tasks.core.errors import InputError
from tasks.core.records.design import Gate
from tasks.core.records.settings import ConvertSettings
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tasks.steps import building
from tasks.store.store import Store
from tasks.sweeps.file import SweepFile
from tasks.sweeps.points import expand

BUGS = Path(__file__).resolve().parents[4] / "shared" / "cases" / "bugs"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BUGS.exists(), reason="the cases do not lie beside this repository"),
]


def judged(model: str, data: str, tmp_path: Path, **settings: object) -> list[Gate]:
    """The gates of a case's conversion."""
    chosen = ConvertSettings.model_validate(settings)
    project = building.convert(BUGS / model, BUGS / data, chosen).get(Store(tmp_path))
    return gates.after_convert(project, GateSettings())


def test_an_unscaled_regression_fails_with_its_error(tmp_path: Path) -> None:
    directory = "01-regression-unscaled"
    found = judged(
        f"{directory}/house.keras", f"{directory}/house.npz", tmp_path, precision="fixed<16,6>"
    )
    failed = [gate for gate in found if not gate.passed]
    assert failed
    assert any("RMSE" in gate.message or "range" in gate.message for gate in failed)


def test_a_pooling_that_hls4ml_computed_otherwise_is_exact_or_does_not_pass(
    tmp_path: Path,
) -> None:
    directory = BUGS / "03-pool1-stride2"
    settings = ConvertSettings(precision="fixed<24,8>")
    recipe = building.convert(directory / "p.keras", directory / "p.npz", settings)
    project = recipe.get(Store(tmp_path))
    assert project.fidelity is not None
    exact = project.fidelity.max_error < project.fidelity.spread / 100
    assert exact == all(gate.passed for gate in gates.after_convert(project, GateSettings()))


def test_a_logit_is_judged_at_zero(tmp_path: Path) -> None:
    directory = BUGS / "05-logits-binary"
    recipe = building.convert(directory / "logit.keras", directory / "logit.npz", ConvertSettings())
    project = recipe.get(Store(tmp_path))
    assert project.meaning.threshold == 0
    assert all(gate.passed for gate in gates.after_convert(project, GateSettings()))


def test_a_rare_class_is_kept_or_its_loss_told(tmp_path: Path) -> None:
    directory = BUGS / "09-imbalanced"
    recipe = building.convert(
        directory / "anomaly.keras", directory / "anomaly.npz", ConvertSettings()
    )
    project = recipe.get(Store(tmp_path))
    passed = all(gate.passed for gate in gates.after_convert(project, GateSettings()))
    assert project.accuracy_csim is not None
    assert passed == (project.accuracy_csim > 0.99)  # of constant outputs: 0.985


@pytest.mark.parametrize(("model", "data"), [("nan", "c"), ("inf", "t")])
def test_weights_of_a_diverged_training_are_refused(model: str, data: str, tmp_path: Path) -> None:
    directory = "15-nan-weights"
    with pytest.raises(InputError, match="layer"):
        judged(f"{directory}/{model}.keras", f"{directory}/{data}.npz", tmp_path)


def test_a_model_file_of_any_name_gives_a_project_its_name() -> None:
    models = sorted((BUGS / "07-file-names").glob("*.keras"))
    assert len(models) > 10
    for model in models:
        recipe = building.convert(model, None, ConvertSettings())
        assert is_free(recipe.inputs["settings"]["project_name"])


def test_a_sweep_file_in_latin_1_is_refused() -> None:
    with pytest.raises(InputError, match="is not UTF-8"):
        expand(SweepFile(BUGS / "13-sweep-yaml" / "s.yaml"))
