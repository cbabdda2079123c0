"""Toolchains by name: what pairs share, and what an unknown name is answered."""

import pytest

from tasks.core.errors import InputError
from tasks.core.records.settings import BuildSettings
from tasks.steps import building
from tasks.toolchains import choice
from tests.tasks import samples


@pytest.mark.parametrize("name", choice.NAMES)
def test_every_name_is_a_toolchain_of_that_name(name: str) -> None:
    assert choice.named(name).name == name


def test_an_unknown_name_is_answered_with_all_names() -> None:
    with pytest.raises(InputError, match="unknown toolchain 'quartus'") as refused:
        choice.choose("quartus")
    assert all(name in refused.value.remedy for name in choice.NAMES)


@pytest.mark.parametrize("name", ["open", "vivado"])
def test_a_setting_that_a_toolchain_cannot_honour_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no simulation of Vivado HLS"):
        choice.named(name, build=BuildSettings(cosim=True))


def test_toolchains_with_the_same_synthesizer_share_its_store_entry() -> None:
    project, one, other = samples.hls_project(), choice.named("open"), choice.named("vivado")
    assert building.synthesize(project, one).entry == building.synthesize(project, other).entry
