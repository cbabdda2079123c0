"""Unrolled cores: how large they get is known before they are traced."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.toolchains.cores.core import trace_graph
from tasks.toolchains.cores.graph import load_graph
from tasks.toolchains.cores.size import count_products, unrolled_luts, warn_if_large
from tasks.toolchains.cores.synthesizer import _pass_on

TYPES = {
    "result": "fixed<8,4>",
    "accum": "fixed<16,8>",
    "weight": "fixed<5,2>",
    "bias": "fixed<5,2>",
}


def dense(make_zoo: Any, files: Path, weights: list[str]) -> Any:
    """The graph of one Dense layer on 3 rows, which hls4ml makes a convolution."""
    n_in, n_out = len(weights) // 2, 2
    files.mkdir(exist_ok=True)
    model = make_zoo(files, (3, n_in), "fixed<8,4>")
    data = {"weight_data": np.zeros((n_in, n_out)), "bias_data": np.zeros(n_out)}
    model.branch("Dense", types=TYPES, n_in=n_in, n_out=n_out, **data)
    model.convert()
    (files / "w3.txt").write_text(", ".join(weights))
    return load_graph(files / "model.fml", files)


def test_products_with_weights_of_0_do_not_count(tmp_path: Path, make_zoo: Any) -> None:
    graph = dense(make_zoo, tmp_path, ["1", "0", "-0.001", "0.5"])
    # -0.001 is cut off to the last bit below 0.
    assert [count_products(node) for node in graph.nodes] == [0, 3 * 3]


def test_a_large_layer_is_named_with_what_can_be_done(
    tmp_path: Path, make_zoo: Any, caplog: pytest.LogCaptureFixture
) -> None:
    warn_if_large(dense(make_zoo, tmp_path / "small", ["1"] * 200))
    assert caplog.text == ""
    warn_if_large(dense(make_zoo, tmp_path / "large", ["1"] * 2000))
    assert "6000 products" in caplog.text
    assert "dense_1 (6000); prune weights" in caplog.text
    # The process that traces prints it; here it becomes a warning of the run.
    _pass_on(caplog.messages[-1])
    name, level, message = caplog.record_tuples[-1]
    assert (name, level) == ("tasks.toolchains.cores.synthesizer", logging.WARNING)
    assert message.startswith("a core of 6000 products")


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("zeros", [0.0, 0.7])
def test_an_unrolled_core_is_estimated_within_two_fifths_of_the_traced_one(
    make_zoo: Any, tmp_path: Path, *, quantised: bool, zeros: float
) -> None:
    n_in, n_out, draw = 24, 16, np.random.default_rng(5)
    model = make_zoo(tmp_path, (n_in,), "fixed<10,2>")
    source = "x"
    if quantised:
        # As HGQ2 does: the format holds all elements, of which most need few of its bits.
        masks = [np.full((1, n_in), value) for value in (1, 2, 2)]
        masks[1] = draw.choice([0, 1, 2, 3, 10], size=(1, n_in))
        attributes = {"mask_kbi": tuple(masks), "overrides": {}, "fusible": False}
        source = model.add(
            "FixedPointQuantizer", types="fixed<10,2>", RND="TRN", SAT="WRAP", **attributes
        )
    weights = draw.normal(size=(n_in, n_out)) * (draw.random((n_in, n_out)) >= zeros)
    types = {"result": "fixed<20,10>", "accum": "fixed<20,10>"}
    types |= {"weight": "fixed<6,2>", "bias": "fixed<6,2>"}
    data = {"weight_data": weights, "bias_data": np.zeros(n_out)}
    model.branch("Dense", source, types=types, n_in=n_in, n_out=n_out, **data)
    model.convert()
    text = np.array2string(weights.ravel(), separator=",", threshold=10**6)
    for node in load_graph(tmp_path / "model.fml", tmp_path).nodes:
        for name, values in (("weight", text.strip("[]")), ("bias", ",".join("0" * n_out))):
            if name in node.attributes:
                (tmp_path / f"{node.attributes[name]['state']['name']}.txt").write_text(values)
    graph = load_graph(tmp_path / "model.fml", tmp_path)
    logic, _ = trace_graph(graph)
    assert 0.6 < unrolled_luts(graph) / logic.cost < 1.4
