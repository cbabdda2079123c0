"""Toolchains by name: what pairs share, and what an unknown or former name is answered."""

from dataclasses import replace

import pytest

from tasks.core.errors import InputError
from tasks.core.records.settings import BuildSettings
from tasks.steps import building
from tasks.toolchains import choice
from tests.tasks import samples


@pytest.mark.parametrize("name", choice.NAMES)
def test_every_name_is_a_toolchain_of_that_name(name: str) -> None:
    assert choice.named(name).name == name


def test_a_former_name_is_answered_with_the_present_one() -> None:
    with pytest.raises(InputError, match="toolchain vivado is now called vivado-hls"):
        choice.choose("vivado")


def test_an_unknown_name_is_answered_with_all_names() -> None:
    with pytest.raises(InputError, match="unknown toolchain 'quartus'") as refused:
        choice.choose("quartus")
    assert all(name in refused.value.remedy for name in choice.NAMES)


def test_a_setting_that_a_toolchain_cannot_honour_is_refused() -> None:
    with pytest.raises(InputError, match="no simulation of a vendor's tool"):
        choice.named("open", build=BuildSettings(cosim=True))


def test_toolchains_with_the_same_synthesizer_share_its_store_entry() -> None:
    project, one = samples.hls_project(), choice.named("open")
    other = replace(one, name="another", implementer=choice.named("vivado-hls").implementer)
    assert building.synthesize(project, one).entry == building.synthesize(project, other).entry
