"""Saved graphs: what is read from them, and what is refused."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.errors import InputError, UnsupportedModelError
from tasks.core.records.design import FixedPoint
from tasks.toolchains.cores.graph import load_graph


def change(fml: Path, member: str, **values: Any) -> None:
    """Replace entries of one JSON file in a saved graph."""
    with tarfile.open(fml) as archive:
        contents = {
            info.name: archive.extractfile(info).read()  # type: ignore[union-attr]  # all are files
            for info in archive.getmembers()
            if info.isfile()
        }
    contents[member] = json.dumps(json.loads(contents[member]) | values).encode()
    with tarfile.open(fml, "w:gz") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.fixture
def fml(tmp_path: Path, make_zoo: Any) -> Path:
    model = make_zoo(tmp_path, (2, 3), "fixed<10,4,RND,SAT>")
    model.branch("Activation", types="uint<5>", activation="relu", n_in=6)
    model.convert()
    return tmp_path / "model.fml"


def test_shapes_formats_and_order_are_those_of_the_conversion(fml: Path) -> None:
    graph = load_graph(fml, fml.parent)
    assert [node.kind for node in graph.nodes] == ["Input", "Activation"]
    assert graph.input.shape == graph.output.shape == (2, 3)
    assert graph.input.format == FixedPoint(width=10, integer=4, rounding="RND", saturation="SAT")
    assert graph.nodes[1].inputs == (graph.input,)


def test_integers_cut_off_towards_zero(fml: Path) -> None:
    output = load_graph(fml, fml.parent).output.format
    assert output == FixedPoint(width=5, integer=5, signed=False, rounding="TRN_ZERO")


def test_weights_are_read_as_the_c_simulation_reads_them(tmp_path: Path, make_zoo: Any) -> None:
    model = make_zoo(tmp_path, (2,), "fixed<8,4>")
    types = {"result": "fixed<8,4>", "accum": "fixed<16,8>", "bias": "fixed<8,4>"}
    data = {"weight_data": np.zeros((2, 2)), "bias_data": np.zeros(2)}
    model.branch("Dense", types=types | {"weight": "fixed<5,2,RND>"}, n_in=2, n_out=2, **data)
    model.convert()
    (tmp_path / "w2.txt").write_text("-0.000, 0.063, 1.99, -7")
    weights = load_graph(tmp_path / "model.fml", tmp_path).nodes[1].weights("weight")
    assert weights.tolist() == [0.0, 0.125, -2.0, 1.0]


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.fml"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="the saved graph cannot be read"):
        load_graph(path, tmp_path)


def test_an_unknown_version_is_refused(fml: Path) -> None:
    change(fml, "version.json", model_graph="2")
    with pytest.raises(InputError, match="has version 2, not 1"):
        load_graph(fml, fml.parent)


def test_two_outputs_are_refused(fml: Path) -> None:
    change(fml, "graph_state.json", outputs=["x", "activation_1"])
    with pytest.raises(UnsupportedModelError, match="1 inputs and 2 outputs"):
        load_graph(fml, fml.parent)


def test_types_without_a_fixed_point_are_refused_by_name(tmp_path: Path, make_zoo: Any) -> None:
    model = make_zoo(tmp_path, (2,), "fixed<8,4>")
    model.branch("Activation", types="float", activation="linear", n_in=2)
    model.convert()
    with pytest.raises(UnsupportedModelError, match="'activation_1' has a StandardFloat"):
        load_graph(tmp_path / "model.fml", tmp_path)
