"""QKeras layers in files of Keras 3, which hls4ml alone does not read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.core.records.design import HlsProject
from tests.tasks.conversion.conversions import largest_error
from tests.tasks.conversion.frontends.conftest import made

pytestmark = pytest.mark.slow


def test_quantizers_of_layers_and_activations_are_kept(
    tmp_path: Path, traced: Callable[[Path], HlsProject]
) -> None:
    project = traced(made("make_qkeras.py", tmp_path) / "quantised.keras")
    assert project.versions["qkeras-v3"] == "1.2.1"
    assert [each.name for each in project.inputs] == ["image", "x"]
    assert [each.name for each in project.outputs] == ["relu", "place"]
    assert project.output.element.width == 6
    assert not project.output.element.signed
    assert largest_error(project) < 0.1
