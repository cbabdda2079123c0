"""Files of Keras 2 that hls4ml names layers for, and nobody can compute."""

import json
from pathlib import Path

import pytest

from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.errors import UnsupportedModelError


@pytest.mark.parametrize(
    ("kind", "instead"), [("BinaryDense", "binary"), ("TernaryDense", "ternary"), ("GarNet", "")]
)
def test_layers_without_code_are_named_with_a_replacement(
    tmp_path: Path, kind: str, instead: str
) -> None:
    layer = {"class_name": kind, "config": {"name": "hidden", "units": 4}}
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": [layer]}}
    (tmp_path / "net.json").write_text(json.dumps(config | {"keras_version": "2.2.4"}))
    (tmp_path / "net_weights.h5").write_bytes(b"")
    with pytest.raises(UnsupportedModelError, match=f"net.json: holds {kind} layers") as refused:
        choice.load(identify(tmp_path / "net.json"))
    assert instead in refused.value.remedy
