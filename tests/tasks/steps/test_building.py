"""Recipes: what a result depends on is the design, however its settings were written."""

import shutil
from pathlib import Path

import pytest

from tasks.core.errors import InputError
from tasks.core.records.settings import ConvertSettings
from tasks.steps import building
from tasks.toolchains.choice import named
from tests.tasks import samples

DIGITS = Path(__file__).resolve().parents[3] / "examples" / "digits" / "digits.keras"


def test_a_project_without_a_name_is_called_like_its_model(tmp_path: Path) -> None:
    other = Path(shutil.copy(DIGITS, tmp_path / "other.keras"))
    for model in (DIGITS, other):
        unnamed = building.convert(model, None, ConvertSettings())
        named = building.convert(model, None, ConvertSettings(project_name=model.stem))
        assert unnamed.entry == named.entry


def test_a_precision_is_the_same_design_in_every_spelling() -> None:
    entries = {
        building.convert(
            DIGITS,
            None,
            ConvertSettings(precision=text, layer_precision={"hidden": text}),
        ).entry
        for text in ("fixed<16,6>", "ap_fixed<16,6>", "ac_fixed<16, 6, true>")
    }
    assert len(entries) == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"layer_precision": {"hiden.weight": "auto"}}, "no layer 'hiden': did you mean 'hidden'"),
        ({"layer_reuse_factor": {"logit": 2}}, "did you mean 'logits'"),
        ({"layer_precision": {"hidden.biass": "auto"}}, "did you mean 'bias'"),
        ({"precision": "fixed<16"}, "'fixed<16' is not a fixed-point precision"),
    ],
)
def test_settings_of_nothing_in_the_model_are_refused_before_any_step(
    settings: dict[str, object], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        building.convert(DIGITS, None, ConvertSettings.model_validate(settings))


def test_layers_that_hls4ml_adds_are_named_after_the_models() -> None:
    plain = building.convert(DIGITS, None, ConvertSettings())
    given = ConvertSettings(layer_precision={"hidden_relu": "fixed<16,6>"})
    assert building.convert(DIGITS, None, given).entry != plain.entry


def test_cores_of_one_model_share_its_conversion_and_nothing_after_it() -> None:
    projects, cores = [], []
    for chosen in (
        ConvertSettings(core="unrolled"),
        ConvertSettings(core="folded"),
        ConvertSettings(core="folded", interval_cycles=128),
    ):
        recipe = building.convert(DIGITS, None, chosen)
        stored = samples.hls_project(entry=recipe.entry)
        projects.append(recipe.entry)
        asked = recipe.asked(stored)
        assert (asked.settings.core, asked.settings.interval_cycles) == (
            chosen.core,
            chosen.interval_cycles,
        )
        cores.append(building.synthesize(asked, named("open")).entry)
    assert len(set(projects)) == 1
    assert len(set(cores)) == len(cores)
