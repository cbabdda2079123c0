"""Files of Keras 2 that hls4ml names layers for, and nobody can compute."""

import json
from pathlib import Path

import pytest

from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.errors import UnsupportedModelError


def test_layers_without_code_are_named_with_a_replacement(tmp_path: Path) -> None:
    layer = {"class_name": "GarNet", "config": {"name": "hidden", "units": 4}}
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": [layer]}}
    (tmp_path / "net.json").write_text(json.dumps(config | {"keras_version": "2.2.4"}))
    (tmp_path / "net_weights.h5").write_bytes(b"")
    with pytest.raises(UnsupportedModelError, match=r"net\.json: holds GarNet layers") as refused:
        choice.load(identify(tmp_path / "net.json"))
    assert refused.value.remedy
