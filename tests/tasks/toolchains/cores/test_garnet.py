"""GarNet and GarNetStack compute what hls4ml's C simulation does, for any count of vertices."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.conversion import hls_checks
from tasks.core.errors import InputError, UnsupportedModelError
from tasks.core.records.settings import ConvertSettings
from tasks.toolchains.cores.core import trace_graph
from tasks.toolchains.cores.graph import load_graph
from tests.tasks.toolchains.cores.test_folded_layers import Layers, prove_folded
from tests.tasks.toolchains.cores.test_layers import differing_branches

VERTICES, FEATURES = 4, 3
INNER = {
    "edge_weight": "ufixed<10,0,TRN,SAT>",
    "edge_weight_aggr": "ufixed<14,4,TRN,SAT>",
    "aggr": "fixed<17,7,TRN,SAT>",
}


def inputs(model: Any, data: str = "fixed<12,4>") -> tuple[str, str]:
    """Cut the vertices and their count from a model's input; return the names of both."""
    size = VERTICES * FEATURES
    column = {"data_format": "channels_last", "in_width": size + 1, "n_chan": 1}
    vertices, count = (
        model.add(
            "Cropping1D",
            types=types,
            **column,
            crop_left=left,
            crop_right=size + 1 - left - width,
            out_width=width,
        )
        for types, left, width in ((data, 0, size), ("fixed<8,6>", size, 1))
    )
    return vertices, count


def garnet(model: Any, *tensors: str, types: dict[str, str], seed: int = 0, **more: Any) -> str:
    """Add a GarNet of two aggregators."""
    sizes = {"n_aggregators": 2, "n_propagate": 2, "n_out_features": 3, "n_in_features": FEATURES}
    rng = np.random.default_rng(seed)
    data = weights(rng, [FEATURES, 2, 2, 3])
    return add(model, "GarNet", *tensors, types=types, **sizes, **data, **more)


def stack(model: Any, *tensors: str, types: dict[str, str], seed: int = 0, **more: Any) -> str:
    """Add three sublayers of unlike sizes."""
    sizes = {
        "n_in_features": [FEATURES, 4, 1],
        "n_aggregators": [2, 1, 3],
        "n_propagate": [2, 3, 1],
        "n_out_features": [4, 1, 2],
    }
    rng = np.random.default_rng(seed)
    data: dict[str, Any] = {}
    order = ("n_in_features", "n_aggregators", "n_propagate", "n_out_features")
    for number in range(len(sizes["n_in_features"])):
        data |= weights(rng, [sizes[name][number] for name in order], str(number))
    data |= {"n_sublayers": 3} | sizes
    return add(model, "GarNetStack", *tensors, types=types, **data, **more)


def weights(rng: np.random.Generator, sizes: list[int], number: str = "") -> dict[str, Any]:
    features, aggregators, propagated, outputs = sizes
    shapes = {
        f"FLR{number}_kernel": (features, propagated),
        f"FLR{number}_bias": (propagated,),
        f"S{number}_kernel": (features, aggregators),
        f"S{number}_bias": (aggregators,),
        f"Fout{number}_kernel": (aggregators * propagated, outputs),
        f"Fout{number}_bias": (outputs,),
    }
    return {f"{name}_data": rng.normal(size=shape) for name, shape in shapes.items()}


def add(model: Any, kind: str, *tensors: str, types: dict[str, str], **more: Any) -> str:
    form = {"n_vertices": VERTICES, "collapse": "mean", "mean_by_nvert": False} | more
    name: str = model.branch(kind, *tensors, types=INNER | types, **form)
    return name


def samples(count: int) -> Any:
    """Vertices, far out of range in one sample of seven, and every count; some are no counts."""
    rng = np.random.default_rng(2)
    x = rng.normal(scale=1.5, size=(count, VERTICES * FEATURES + 1, 1))
    x[::7] *= 10
    odd = [-3.0, -0.25, 0.5, 2.5, 3.75, 7.5, 8.5, 20.0, 31.75]
    x[:, -1, 0] = np.resize([*range(VERTICES + 1), *odd], count)
    return x.astype(np.float32)


def branched(model: Any) -> Any:
    """Add graph layers of many formats, and with groups of vertices."""
    vertices = inputs(model)
    narrow = inputs(model, "fixed<7,3>")
    garnet(model, *vertices, types={"result": "fixed<14,6>"}, ReuseFactor=2)
    for seed, reuse in ((1, 1), (2, 4)):
        types = {"result": "fixed<14,5,RND,SAT>"}
        stack(model, *vertices, types=types, seed=seed, ReuseFactor=reuse)
    wrapping = {"edge_weight": "ufixed<8,0,RND>", "aggr": "fixed<12,4>"}
    garnet(model, *narrow, types={"result": "fixed<12,3>", **wrapping}, seed=4)
    stack(model, *narrow, types={"result": "fixed<12,3>", **wrapping}, seed=5, ReuseFactor=4)
    rounding = {"edge_weight_aggr": "ufixed<9,2,RND,SAT>", "aggr": "fixed<14,5,RND_CONV,SAT>"}
    garnet(model, *vertices, types={"result": "fixed<10,3,RND,SAT>", **rounding}, seed=6)
    return model


def test_graph_layers_average_over_the_vertices_that_are_there(zoo: Callable[..., Any]) -> None:
    model = branched(zoo(VERTICES * FEATURES + 1, 1, precision="fixed<14,7>"))
    model.run(samples(180))
    assert differing_branches(model.files) == {}


@pytest.mark.parametrize("form", [{"collapse": None}, {"mean_by_nvert": True}])
def test_forms_that_hls4ml_leaves_undefined_are_named(
    zoo: Callable[..., Any], tmp_path: Path, form: dict[str, Any]
) -> None:
    model = zoo(VERTICES * FEATURES + 1, 1)
    garnet(model, *inputs(model), types={"result": "fixed<14,6>"}, **form)
    model.convert()
    (tmp_path / "project").mkdir(exist_ok=True)
    graph = load_graph(tmp_path / "model.fml", tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"layer 'garnet_3' \(GarNet\) does not aver"):
        trace_graph(graph)


def test_streams_are_refused_by_name(zoo: Callable[..., Any]) -> None:
    model = zoo(VERTICES * FEATURES + 1, 1)
    garnet(model, *inputs(model), types={"result": "fixed<14,6>"})
    settings = ConvertSettings(io_type="io_stream")
    with pytest.raises(InputError, match=r"layer garnet_3 \(GarNet\) reads its vertices"):
        hls_checks.check(model.convert("io_stream"), settings)


@pytest.mark.slow
def test_folded_graph_layers_take_a_vertex_and_aggregator_a_clock(
    make_zoo: Callable[..., Any], tmp_path: Path
) -> None:
    model = make_zoo(tmp_path, (VERTICES * FEATURES + 1, 1), "fixed<14,7>")
    vertices = inputs(model)
    types = {"result": "fixed<14,6>"}
    garnet(model, *vertices, types=types, ReuseFactor=2)
    fine = {"edge_weight": "ufixed<13,0>", "aggr": "fixed<17,7,RND,SAT>"}
    stack(model, *vertices, types={"result": "fixed<14,5,RND,SAT>"} | fine, seed=3)
    narrow = {"edge_weight": "ufixed<8,0,RND>", "aggr": "fixed<12,4>"}
    stack(model, *inputs(model, "fixed<7,3>"), types=types | narrow, seed=2, ReuseFactor=4)
    prove_folded(tmp_path, Layers(model, 1), lambda count, *_shape: samples(count))
