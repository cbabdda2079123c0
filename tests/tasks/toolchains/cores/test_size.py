"""Large graphs are announced before they are traced."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.toolchains.cores.graph import load_graph
from tasks.toolchains.cores.size import count_products, warn_if_large
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
