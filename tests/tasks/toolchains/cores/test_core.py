"""A core in its shell, clock by clock, gives what the C simulation gives."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alkaid.trace import FVArray
from numpy.typing import NDArray

from tasks.conversion import dataset, hls
from tasks.core.errors import InputError, ToolError, UnsupportedModelError
from tasks.core.records.design import FixedPoint, Stream
from tasks.core.records.settings import ConvertSettings
from tasks.toolchains.cores import check, layers, linear
from tasks.toolchains.cores.core import build_core, trace_graph
from tasks.toolchains.cores.graph import Graph, Node, Tensor, load_graph
from tasks.toolchains.open.image import build_fabric_image
from tasks.toolchains.shell.shell import write_design
from tests.tasks.toolchains.standin import Fabric

Samples = NDArray[np.float32]
RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory, samples: Any, make_zoo: Any) -> Path:
    """A converted model with every kind of operation that alkaid writes to Verilog."""
    model = make_zoo(tmp_path_factory.mktemp("entry"), (6,), "fixed<10,4>")
    types = {"result": "fixed<10,5,RND_CONV,SAT>", "accum": "fixed<9,4>"}
    types |= {"weight": "fixed<5,2>", "bias": "fixed<5,2>"}
    bits = model.add("Activation", types="fixed<1,1>", activation="linear", n_in=6)
    for source in ("x", bits):
        data = {"weight_data": RNG.normal(size=(6, 4)), "bias_data": RNG.normal(size=4)}
        model.branch("Dense", source, types=types, n_in=6, n_out=4, **data)
    table = {"table": "fixed<10,2>", "param": "fixed<6,2>"}
    for name in ("sigmoid", "relu6", "ternary_tanh", "softsign"):
        model.branch(
            "Activation",
            types={"result": "fixed<8,4,TRN_ZERO,SAT_ZERO>", **table},
            activation=name,
            n_in=6,
            table_size=128,
        )
    types = {"result": "fixed<8,4,RND_INF>", **table}
    model.branch("LeakyReLU", types=types, activation="leakyrelu", activ_param=0.3, n_in=6)
    tables = dict.fromkeys(("exp_table", "inv_table", "inv_inp"), "fixed<10,4,RND,SAT>")
    for name in ("stable", "argmax"):
        types = {"result": "ufixed<8,1>", "accum": "fixed<10,4,RND,SAT>", **tables, **table}
        attributes = {"activation": "softmax", "implementation": name, "axis": -1}
        model.branch("Softmax", types=types, **attributes, n_in=6, table_size=64)
    model.run(samples(200, 6))
    return Path(model.files)


def graph_of(files: Path) -> Graph:
    return load_graph(files / "model.fml", files / "project" / "firmware" / "weights")


def answers(entry: Path, out: Path, given: Stream, answered: Stream) -> Samples:
    """What the core in its shell, Verilated, says to the entry's test samples.

    Args:
        entry: a converted model's files.
        out: an existing directory, gets the design.
        given: the stream to the design.
        answered: the stream from it.
    """
    report = build_core(entry, "zoo", out, clock_period_ns=10)
    design = write_design(
        sorted((out / "rtl").glob("*.v")),
        project_name="zoo",
        input=given,
        output=answered,
        latency_cycles=report.latency_cycles,
        directory=out,
    )
    fabric = Fabric(build_fabric_image(design, out / "zoo.so", logs=out))
    x = np.load(entry / "X_test.npy")
    room = len(x) * answered.size
    step = fabric.run(x.view(np.uint32).ravel(), last=True, room=room, cycles=10**6)
    fabric.close()
    return step.words.view(np.float32).reshape(len(x), -1)


def test_the_design_gives_the_outputs_of_the_c_simulation(entry: Path, tmp_path: Path) -> None:
    graph = graph_of(entry)
    given = Stream(shape=graph.input.shape, element=graph.input.format)
    answered = Stream(shape=graph.output.shape, element=graph.output.format)
    got = answers(entry, tmp_path, given, answered)
    np.testing.assert_array_equal(got, np.load(entry / "y_csim.npy"))


def test_integer_inputs_are_cut_off_towards_zero_all_the_way(tmp_path: Path, make_zoo: Any) -> None:
    x = np.arange(-80, 80, dtype=np.float32).reshape(-1, 2) / 4
    x[(x < 0) & (x > -0.5)] = -0.5
    model = make_zoo(tmp_path, (2,), "int<5>")
    model.branch("Activation", types="fixed<7,6>", activation="linear", n_in=2)
    converted = model.run(x)
    expected = np.load(tmp_path / "y_csim.npy")
    assert expected[x == -1.75].tolist() == [-1]
    streams = hls.streams(converted, ConvertSettings())
    np.testing.assert_array_equal(answers(tmp_path, tmp_path, *streams), expected)

    hls.check_input(converted, x)
    x[3] = -0.25
    assert np.asarray(converted.predict(x))[3].tolist() == [1, 1]
    with pytest.raises(InputError, match=r"(?s)turns -0.25 into 1.*fixed<5,5,TRN_ZERO>"):
        hls.check_input(converted, x)


def test_a_faster_clock_gets_more_pipeline_stages(entry: Path, tmp_path: Path) -> None:
    fast = build_core(entry, "zoo", tmp_path, clock_period_ns=4)
    slow = build_core(entry, "zoo", tmp_path, clock_period_ns=20)
    assert (fast.latency_cycles or 0) > (slow.latency_cycles or 0)
    assert fast.estimate.ff > slow.estimate.ff > 0
    assert fast.estimate.lut == slow.estimate.lut


def test_the_same_model_gives_the_same_files(entry: Path, tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        build_core(entry, "zoo", tmp_path / name, clock_period_ns=10)
        files = sorted((tmp_path / name / "rtl").iterdir())
        texts.append({path.name: path.read_bytes() for path in files})
    assert texts[0] == texts[1]


def test_the_first_output_that_differs_is_named_and_nothing_is_written(
    entry: Path, tmp_path: Path
) -> None:
    files = shutil.copytree(entry, tmp_path / "entry")
    golden = np.load(files / "y_csim.npy")
    golden[17, 3] += 1
    np.save(files / "y_csim.npy", golden)
    with pytest.raises(ToolError, match="1 of 200 samples, first in sample 17, element 3"):
        build_core(files, "zoo", tmp_path, clock_period_ns=10)
    assert not (tmp_path / "rtl").exists()


def test_a_layer_that_alkaid_traces_wrongly_is_named(
    entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(node: Node, inputs: Sequence[FVArray]) -> FVArray:
        right = linear.dense(node, inputs)
        known = all(value.low == value.high for value in np.asarray(inputs[0]).ravel())
        return right if known else right + 0.5

    monkeypatch.setattr(layers, "TRACERS", {**layers.TRACERS, "Dense": wrong})
    with pytest.raises(ToolError, match=r"layer 'dense_2' \(Dense\): the traced logic differs"):
        build_core(entry, "zoo", tmp_path, clock_period_ns=10)


def test_test_data_of_another_model_is_refused(entry: Path, tmp_path: Path) -> None:
    files = shutil.copytree(entry, tmp_path / "entry")
    np.save(files / "X_test.npy", np.zeros((5, 7), np.float32))
    with pytest.raises(InputError, match="do not fit the model's input"):
        build_core(files, "zoo", tmp_path, clock_period_ns=10)


def test_a_missing_weight_file_is_named(entry: Path, tmp_path: Path) -> None:
    files = shutil.copytree(entry, tmp_path / "entry")
    lost = next((files / "project" / "firmware" / "weights").glob("w*.txt"))
    lost.unlink()
    with pytest.raises(InputError, match=lost.name):
        build_core(files, "zoo", tmp_path, clock_period_ns=10)


def test_a_layer_that_cannot_be_traced_is_named_with_what_to_do(
    tmp_path: Path, make_zoo: Any
) -> None:
    model = make_zoo(tmp_path, (2, 3), "fixed<10,4>")
    data = {"scale_data": np.ones(3), "bias_data": np.zeros(3)}
    model.branch("LayerNormalization", types="fixed<8,4>", n_in=6, seq_len=2, **data)
    model.convert()
    expected = r"(?s)'layernormalization_1' \(LayerNormalization\).*use toolchain vivado-hls"
    with pytest.raises(UnsupportedModelError, match=expected):
        trace_graph(graph_of(tmp_path))


def test_a_bidirectional_layer_is_named_with_one_direction_as_its_remedy() -> None:
    values = Tensor("both", (4,), FixedPoint(width=16, integer=6))
    both = Node("both", "Bidirectional", (values,), values, {}, False, Path())
    with pytest.raises(UnsupportedModelError, match=r"(?s)'both' \(Bidirectional\).*one direction"):
        layers.trace(both, [])


def test_values_that_are_too_wide_to_be_exact_are_refused(tmp_path: Path, make_zoo: Any) -> None:
    model = make_zoo(tmp_path, (2,), "fixed<40,20>")
    model.branch("Merge", "x", "x", types="fixed<60,40>", op="multiply")
    model.convert()
    with pytest.raises(UnsupportedModelError, match=r"calculates with \d+ bits"):
        trace_graph(graph_of(tmp_path))


def test_long_chains_of_sums_can_be_traced(tmp_path: Path, make_zoo: Any) -> None:
    model = make_zoo(tmp_path, (600,), "fixed<4,2>")
    types = {"result": "fixed<4,2>", "accum": "fixed<4,2,TRN,SAT>", "weight": "fixed<2,2>"}
    data = {"weight_data": np.ones((600, 1)), "bias_data": np.zeros(1)}
    model.branch("Dense", types=types | {"bias": "fixed<2,2>"}, n_in=600, n_out=1, **data)
    weights = tmp_path / "project" / "firmware" / "weights"
    weights.mkdir(parents=True)
    model.convert()
    (weights / "w2.txt").write_text(", ".join(["1"] * 600))
    (weights / "b2.txt").write_text("0")
    logic, _ = trace_graph(graph_of(tmp_path))
    ones = np.where(np.arange(600) < 300, 1.0, -0.25)[None]
    assert logic.predict(ones).tolist() == [[-2.0]]


def test_all_samples_are_compared_a_part_at_a_time(
    tmp_path: Path, make_zoo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.arange(-40, 40, dtype=np.float32).reshape(-1, 2) / 4
    model = make_zoo(tmp_path, (2,), "fixed<8,5>")
    model.branch("Activation", types="fixed<8,5>", activation="relu", n_in=2)
    model.run(x)
    expected = np.load(tmp_path / "y_csim.npy")
    graph = graph_of(tmp_path)
    logic, _ = trace_graph(graph)
    monkeypatch.setattr(dataset, "CHUNK_BYTES", 3 * x[:1].nbytes)
    assert check.check(logic, graph, x, expected) == len(x)
    for sample in (7, 8, 39):
        expected[sample, 1] += 1
    with pytest.raises(ToolError, match=r"on 3 of 40 samples, first in sample 7, element 1"):
        check.check(logic, graph, x, expected)
