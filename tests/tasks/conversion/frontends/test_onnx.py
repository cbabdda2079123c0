"""ONNX and QONNX graphs as exporters write them, and those that no front end should take."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from board.kinds import board_kinds
from tasks.conversion import hls
from tasks.conversion.frontends import choice
from tasks.conversion.frontends.base import LoadedModel
from tasks.conversion.modelfile import identify
from tasks.core.errors import GateError, InputError, UnsupportedModelError
from tasks.core.records.design import HlsProject
from tasks.core.records.settings import ConvertSettings
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tests.tasks.conversion.conversions import (
    converted_file,
    largest_error,
    loses_less_than_a_hundredth,
)

RNG = np.random.default_rng(3)
X = RNG.normal(size=(5, 6)).astype(np.float32)

Traced = Callable[..., HlsProject]
Shape = tuple[int | str, ...]


def saved(
    path: Path,
    nodes: list[Any],
    shape: Shape,
    *,
    weights: dict[str, np.ndarray[Any, Any]] | None = None,
    result: Shape = ("N", 3),
    kind: int = TensorProto.FLOAT,
    opset: int = 17,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, result)],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("qonnx.custom_op.general", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path


def weights(*shape: int) -> np.ndarray[Any, Any]:
    return (RNG.normal(size=shape) / 2).astype(np.float32)


def mlp(path: Path, batch: int | str = "N", **changes: Any) -> Path:
    names = changes.pop("names", ("hidden", "scores"))
    nodes = [
        helper.make_node("Gemm", ["x", "w 1", "b.1"], ["int"], name=names[0]),
        helper.make_node("Relu", ["int"], ["class"], name="relu of it"),
        helper.make_node("Gemm", ["class", "w2", "b2"], ["y"], name=names[1]),
    ]
    held = {"w 1": weights(6, 8), "b.1": weights(8), "w2": weights(8, 3), "b2": weights(3)}
    return saved(path, nodes, (batch, 6), weights=held, result=(batch, 3), **changes)


def loaded(path: Path) -> LoadedModel:
    return choice.load(identify(path))


def by_onnxruntime(path: Path, x: np.ndarray[Any, Any], output: int = 0) -> np.ndarray[Any, Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes())
    found: np.ndarray[Any, Any] = session.run(None, {session.get_inputs()[0].name: x})[output]
    return found


@pytest.mark.parametrize("batch", ["N", 1, 5])
def test_outputs_are_onnxruntimes_whatever_the_batch_was(tmp_path: Path, batch: int | str) -> None:
    path = mlp(tmp_path / "mlp.onnx", batch)
    model = loaded(path)
    assert (model.input.shape, model.output.shape) == ((6,), (3,))
    x = X[:1] if batch == 1 else X
    assert np.allclose(model.predict(x), by_onnxruntime(path, x), atol=1e-6)


@pytest.mark.parametrize("suffix", [".h5", ".json", ".pt2"])
def test_the_content_decides_not_the_suffix(tmp_path: Path, suffix: str) -> None:
    path = mlp(tmp_path / "mlp.onnx").rename(tmp_path / f"mlp{suffix}")
    assert identify(path).framework == "onnx"
    assert loaded(path).output.shape == (3,)


@pytest.mark.slow
def test_an_old_opset_and_names_that_are_no_identifiers(tmp_path: Path, traced: Traced) -> None:
    project = traced(mlp(tmp_path / "mlp.onnx", opset=9, names=("for", "int main")))
    assert largest_error(project) < 0.05
    assert "onnxruntime" in project.versions


@pytest.mark.slow
def test_channels_first_images_keep_their_order_at_the_board(
    tmp_path: Path, traced: Traced
) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "k", "b"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "v"], ["y"]),
    ]
    held = {"k": weights(2, 3, 3, 3), "b": weights(2), "w": weights(18, 3), "v": weights(3)}
    path = saved(tmp_path / "image.onnx", nodes, ("N", 3, 5, 5), weights=held)
    project = traced(path)
    assert project.input.shape == (3, 5, 5)
    assert largest_error(project) < 0.1


@pytest.mark.slow
def test_quantizers_of_qonnx_are_kept(tmp_path: Path, traced: Traced) -> None:
    def quant(source: str, result: str, *, signed: int) -> Any:
        inputs = [source, "step", "zero", "bits"]
        return helper.make_node(
            "Quant", inputs, [result], domain="qonnx.custom_op.general",
            signed=signed, narrow=0, rounding_mode="ROUND",
        )  # fmt: skip

    nodes = [
        quant("x", "xq", signed=1),
        quant("w", "wq", signed=1),
        helper.make_node("MatMul", ["xq", "wq"], ["m"]),
        helper.make_node("Relu", ["m"], ["r"]),
        quant("r", "y", signed=0),
    ]
    held = {
        "w": weights(6, 3),
        "step": np.array(0.125, np.float32),
        "zero": np.array(0, np.float32),
        "bits": np.array(6, np.float32),
    }
    project = traced(saved(tmp_path / "quant.onnx", nodes, (1, 6), weights=held, result=(1, 3)))
    assert project.output.element.width == 6
    assert largest_error(project) <= 0.125


def classifier(path: Path) -> tuple[Path, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A classifier of scikit-learn on inputs that were never scaled, with test data."""
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 900)
    x = 100 * (rng.normal(size=(3, 6))[y] * 1.5 + rng.normal(size=(900, 6))).astype(np.float32)
    estimator = MLPClassifier((12,), max_iter=30, random_state=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it could be trained further
        estimator.fit(x, y)
    onnx.save(to_onnx(estimator, x[:1]), path)
    return path, x[:300], y[:300]


@pytest.mark.slow
def test_a_first_classifier_loses_less_than_a_hundredth(tmp_path: Path) -> None:
    project = converted_file(*classifier(tmp_path / "classifier.onnx"))
    loses_less_than_a_hundredth(project)
    assert project.formats.keys() >= {"Dense_MatMul_0", "Softmax_0"}


@pytest.mark.slow
def test_a_ruined_classifier_fails_and_its_layer_is_named(tmp_path: Path) -> None:
    made = classifier(tmp_path / "classifier.onnx")
    project = converted_file(*made, layer_precision={"Dense_MatMul_1.weight": "fixed<3,1>"})
    with pytest.raises(GateError, match="first layer that departs is Dense_MatMul_1"):
        gates.require(gates.after_convert(project, GateSettings()))


@pytest.mark.slow
def test_unscaled_images_lose_less_than_a_hundredth(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "k", "b"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("BatchNormalization", ["c", "g", "o", "m", "s"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "v"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"]),
    ]
    ones, zeros = np.ones(2, np.float32), np.zeros(2, np.float32)
    held = {"k": weights(2, 3, 3, 3), "b": weights(2), "w": weights(8, 3), "v": weights(3)}
    held |= {"g": ones / 2, "o": ones, "m": 20 * ones, "s": zeros + 900}
    path = saved(tmp_path / "image.onnx", nodes, ("N", 3, 6, 6), weights=held)
    x = RNG.integers(0, 256, (200, 3, 6, 6)).astype(np.float32)
    project = converted_file(path, x, loaded(path).predict(x).argmax(axis=1))
    loses_less_than_a_hundredth(project)


@pytest.mark.slow
def test_quantizers_of_any_scale_lose_less_than_a_hundredth(tmp_path: Path) -> None:
    """Brevitas writes scales that are no powers of two; hls4ml makes layers of them."""

    def quant(source: str, result: str, step: str) -> Any:
        return helper.make_node(
            "Quant", [source, step, "zero", "bits"], [result], domain="qonnx.custom_op.general",
            signed=1, narrow=0, rounding_mode="ROUND",
        )  # fmt: skip

    nodes = [
        quant("x", "xq", "step"),
        quant("w", "wq", "fine"),
        helper.make_node("MatMul", ["xq", "wq"], ["m"]),
        helper.make_node("Relu", ["m"], ["r"]),
        helper.make_node("MatMul", ["r", "v"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"]),
    ]
    held = {
        "w": weights(6, 8) / 50, "v": 20 * weights(8, 3),
        "step": np.array(0.037, np.float32), "fine": np.array(0.00031, np.float32),
        "zero": np.array(0, np.float32), "bits": np.array(8, np.float32),
    }  # fmt: skip
    path = saved(tmp_path / "quant.onnx", nodes, (1, 6), weights=held, result=(1, 3))
    x = RNG.normal(size=(200, 6)).astype(np.float32)
    project = converted_file(path, x, loaded(path).predict(x).argmax(axis=1))
    loses_less_than_a_hundredth(project)


@pytest.mark.parametrize(("labels", "column"), [(3, slice(0, 3)), (2, slice(1, 2))])
def test_labels_behind_the_scores_of_scikit_learn_come_off(
    tmp_path: Path, labels: int, column: slice
) -> None:
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier

    estimator = MLPClassifier((4,), max_iter=5, random_state=0, n_iter_no_change=9, tol=0)
    estimator.warm_start = True
    for _ in range(3):  # partial_fit does not warn that it has not converged
        estimator.partial_fit(X, np.arange(5) % labels, classes=np.arange(labels))
    path = tmp_path / "classifier.onnx"
    onnx.save(to_onnx(estimator, X[:1]), path)
    model = loaded(path)
    expected = estimator.predict_proba(X)[:, column]
    assert np.allclose(model.predict(X), expected, atol=1e-5)


def test_weights_in_a_file_beside_it_belong_to_the_model(tmp_path: Path) -> None:
    whole = onnx.load(mlp(tmp_path / "mlp.onnx"))
    path = tmp_path / "parts.onnx"
    onnx.save(whole, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    found = identify(path)
    assert found.files == (path, tmp_path / "w.bin")
    before = found.digest()
    assert loaded(path).predict(X).shape == (5, 3)
    content = (tmp_path / "w.bin").read_bytes()
    (tmp_path / "w.bin").write_bytes(content[:-1] + b"\x01")
    assert identify(path).digest() != before
    (tmp_path / "w.bin").write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"cut off: 'w\.bin' has \d+ bytes of \d+"):
        identify(path)
    (tmp_path / "w.bin").rename(tmp_path / "other.bin")
    with pytest.raises(InputError, match=r"weights are missing: 'w\.bin'"):
        identify(path)
    (tmp_path / "w.bin").symlink_to("other.bin")
    with pytest.raises(InputError, match="are a link, which onnx does not follow"):
        identify(path)


def with_weights_in(path: Path, location: str, *, constant: bool = False) -> Path:
    """Save a model with a tensor in another file: a weight, or that of a Constant node."""
    model = onnx.load(mlp(path))
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    tensor.ClearField("raw_data")
    if constant:
        node = helper.make_node("Constant", [], [tensor.name], value=tensor)
        model.graph.node.insert(0, node)
        del model.graph.initializer[0]
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("location", ["../w.bin", "/etc/passwd"])
def test_weights_outside_the_models_directory_are_never_read(
    tmp_path: Path, location: str, constant: bool
) -> None:
    path = with_weights_in(tmp_path / "mlp.onnx", location, constant=constant)
    with pytest.raises(UnsupportedModelError, match="are outside of its directory"):
        identify(path)


@pytest.mark.parametrize("location", ["w\0.bin", "w" * 5000, "."])
def test_weights_under_names_that_no_file_has_are_missing(tmp_path: Path, location: str) -> None:
    with pytest.raises(InputError, match="its weights are missing"):
        identify(with_weights_in(tmp_path / "mlp.onnx", location))


@pytest.mark.parametrize("kept", [0, 1, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    path = mlp(tmp_path / "mlp.onnx")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(InputError, match="damaged"):
        identify(path)


def test_another_file_under_the_suffix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mlp.onnx"
    path.write_text("not a model")
    with pytest.raises(InputError, match="is not an ONNX model"):
        identify(path)


def test_an_axis_beside_the_batch_must_be_fixed(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = saved(tmp_path / "open.onnx", nodes, ("N", "width", 3), result=("N", "width", 3))
    with pytest.raises(UnsupportedModelError, match="hardware needs fixed dimensions"):
        loaded(path)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16])
def test_numbers_of_another_type_are_refused(tmp_path: Path, kind: int) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = saved(tmp_path / "half.onnx", nodes, ("N", 3), kind=kind)
    with pytest.raises(UnsupportedModelError, match=r"of type \w+\n.*export the model in float32"):
        loaded(path)


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (helper.make_node("LayerNormalization", ["x", "s"], ["y"]), r"(?s)a LayerNorm.*BatchNorm"),
        (helper.make_node("Mish", ["x"], ["y"]), r"(?s)a Mish.*use Relu"),
        (helper.make_node("LSTM", ["x", "s", "s"], ["y"]), r"(?s)a LSTM.*Keras 3"),
        (helper.make_node("PRelu", ["x", "s"], ["y"]), r"(?s)a PRelu.*use LeakyRelu"),
        (helper.make_node("Identity", ["x"], ["y"]), "computes nothing"),
    ],
)
def test_an_operator_without_a_layer_is_named_with_its_replacement(
    tmp_path: Path, node: Any, named: str
) -> None:
    held = {"s": weights(3)}
    path = saved(tmp_path / "other.onnx", [node], ("N", 3), weights=held, opset=18)
    with pytest.raises(UnsupportedModelError, match=named):
        loaded(path)


def test_a_dilated_convolution_is_refused_by_the_nodes_name(tmp_path: Path) -> None:
    kernel = {"kernel": np.ones((2, 2, 3), np.float32)}
    node = helper.make_node("Conv", ["x", "kernel"], ["y"], dilations=[2])
    path = saved(tmp_path / "dilated.onnx", [node], ("N", 2, 8), weights=kernel, result=("N", 2, 4))
    with pytest.raises(UnsupportedModelError, match=r"node Conv_0 is a Conv with dilations"):
        loaded(path)


def test_tensors_are_joined_in_their_order_two_at_a_time(tmp_path: Path) -> None:
    names = [f"part{number}" for number in range(5)]
    nodes = [helper.make_node("Gemm", ["x", f"w{name}"], [name], name=name) for name in names]
    nodes.append(helper.make_node("Concat", names, ["all"], axis=-1, name="whole"))
    nodes.append(helper.make_node("Relu", ["all"], ["y"], name="relu"))
    held = {f"w{name}": weights(6, 2) for name in names}
    path = saved(tmp_path / "model.onnx", nodes, ("N", 6), weights=held, result=("N", 10))
    x = RNG.uniform(-2, 2, (40, 6)).astype(np.float32)
    project = converted_file(path, x, by_onnxruntime(path, x))
    assert largest_error(project) < 0.05


@pytest.mark.parametrize("missing", [[], [""]])
def test_a_product_without_a_bias_is_read(tmp_path: Path, missing: list[str]) -> None:
    node = helper.make_node("Gemm", ["x", "w", *missing], ["y"], name="scores", transB=1)
    path = saved(tmp_path / "model.onnx", [node], ("N", 6), weights={"w": weights(3, 6)})
    x = RNG.normal(size=(4, 6)).astype(np.float32)
    model = loaded(path)
    np.testing.assert_allclose(model.predict(x), by_onnxruntime(path, x), atol=1e-6)
    assert "MatMul_0" in model.configure("Vivado")["LayerName"]


def test_a_transposed_batch_is_refused_by_the_nodes_name(tmp_path: Path) -> None:
    turned = [helper.make_node("Transpose", [a], [b]) for a, b in (("x", "t"), ("t", "y"))]
    path = saved(tmp_path / "turned.onnx", turned, ("N", 3))
    with pytest.raises(UnsupportedModelError, match="Transpose_0 transposes the batch axis"):
        loaded(path)


def test_an_operator_of_somebodys_own_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Mine", ["x"], ["y"], domain="my.company")
    path = saved(tmp_path / "own.onnx", [node], ("N", 3))
    with pytest.raises(UnsupportedModelError, match=r"onnx cannot load it|a Mine of my\.company"):
        loaded(path)


def last(operator: str, inputs: list[str], result: str, **attributes: Any) -> Any:
    """A node that qonnx has put channels last."""
    windows = {"pads": [0] * 4, "strides": [1, 1]} | attributes
    if operator == "Conv":
        windows = {"dilations": [1, 1], "group": 1} | windows
    domain = "qonnx.custom_op.channels_last"
    return helper.make_node(operator, inputs, [result], f"the_{result}", domain=domain, **windows)


@pytest.mark.slow
def test_a_quantized_graph_that_qonnx_has_put_channels_last(tmp_path: Path, traced: Traced) -> None:
    """A separable convolution, and a pool whose enlarged result meets what it was made of."""

    def quant(source: str, result: str) -> Any:
        inputs, domain = [source, "step", "zero", "bits"], "qonnx.custom_op.general"
        return helper.make_node(
            "Quant", inputs, [result], domain=domain, signed=1, narrow=0, rounding_mode="ROUND"
        )

    nodes = [
        quant("x", "xq"),
        quant("depthwise", "dq"),
        quant("pointwise", "pq"),
        last("Conv", ["xq", "dq"], "d", kernel_shape=[3, 3], pads=[1] * 4, group=2),
        quant("d", "e"),
        last("Conv", ["e", "pq"], "p", kernel_shape=[1, 1]),
        helper.make_node("LeakyRelu", ["p"], ["l"], alpha=0.125),
        quant("l", "m"),
        last("MaxPool", ["m"], "s", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=0.0),
        helper.make_node(
            "Resize", ["s", "roi", "scales"], ["r"], mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
        helper.make_node("Concat", ["r", "m"], ["c"], axis=-1),
        quant("c", "y"),
    ]  # fmt: skip
    held = {
        "depthwise": weights(2, 3, 3, 1),
        "pointwise": weights(3, 1, 1, 2),
        "roi": np.zeros(0, np.float32),
        "scales": np.array([1, 2, 2, 1], np.float32),
        "step": np.array(0.125, np.float32),
        "zero": np.array(0, np.float32),
        "bits": np.array(6, np.float32),
    }
    path = saved(tmp_path / "l.onnx", nodes, (1, 4, 4, 2), weights=held, result=(1, 4, 4, 6))
    with pytest.raises(
        UnsupportedModelError, match=r"(?s)the_d is a Conv .* shape .*cleanup_model"
    ):
        loaded(path)
    model = onnx.load(path)
    images = {"xq": 2, "d": 2, "e": 2, "p": 3, "l": 3, "m": 3}
    model.graph.value_info.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4, 4, channels))
        for name, channels in images.items()
    )
    onnx.save(model, path)
    project = traced(path)
    assert (project.input.shape, project.output.shape) == ((4, 4, 2), (4, 4, 6))
    assert largest_error(project) == 0


def test_large_images_are_refused_for_io_parallel(tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["x", "k"], ["y"], kernel_shape=[3, 3])]
    held = {"k": weights(1, 1, 3, 3)}
    shapes: dict[str, Any] = {"shape": (1, 1, 200, 200), "result": (1, 1, 198, 198)}
    path = saved(tmp_path / "large.onnx", nodes, weights=held, **shapes)
    model = loaded(path)
    with pytest.raises(InputError, match=r"(?s)200 x 200 pixels.*--io-type io_stream"):
        hls.convert(
            model, ConvertSettings(), board_kinds()["pynq-z2"], tmp_path, (path, path), sample=X
        )


def signs(path: Path) -> Path:
    """Save a layer of signs: inputs, weights and outputs are -1 or 1."""

    def sign(source: str, result: str) -> Any:
        domain = "qonnx.custom_op.general"
        return helper.make_node("BipolarQuant", [source, "one"], [result], domain=domain)

    nodes = [
        sign("x", "xs"),
        sign("w", "ws"),
        helper.make_node("MatMul", ["xs", "ws"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["s"]),
        sign("s", "y"),
    ]
    held = {"w": weights(6, 3), "one": np.ones(1, np.float32), "b": np.ones(3, np.float32) / 2}
    return saved(path, nodes, (1, 6), weights=held, result=(1, 3))


@pytest.mark.slow
def test_signs_of_qonnx_are_bits_in_the_core(tmp_path: Path, traced: Traced) -> None:
    project = traced(signs(tmp_path / "signs.onnx"))
    assert (project.output.element.width, project.output.element.signed) == (1, False)
    assert project.fidelity is not None
    assert project.fidelity.max_error == 0


@pytest.mark.slow
def test_the_layer_of_a_binary_network_that_departs_is_named(tmp_path: Path) -> None:
    path = signs(tmp_path / "signs.onnx")
    x = RNG.normal(size=(60, 6)).astype(np.float32)
    y = loaded(path).predict(x)
    project = converted_file(path, x, y, layer_precision={"Dense_MatMul_0.result": "fixed<3,1>"})
    with pytest.raises(GateError, match="first layer that departs is Dense_MatMul_0"):
        gates.require(gates.after_convert(project, GateSettings()))


def two_ways(path: Path) -> Path:
    """Save a graph with two inputs, one of them an image, and two outputs."""
    nodes = [
        helper.make_node("Conv", ["image", "k"], ["c"], kernel_shape=[2, 2], name="conv"),
        helper.make_node("Relu", ["c"], ["map"], name="relu"),
        helper.make_node("Flatten", ["map"], ["flat"], name="flatten"),
        helper.make_node("Concat", ["flat", "more"], ["all"], axis=1, name="both"),
        helper.make_node("Gemm", ["all", "w", "b"], ["scores"], name="last"),
    ]
    held = {"k": weights(2, 1, 2, 2), "w": weights(10, 3), "b": weights(3)}
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "model",
        [tensor("image", 1, ("N", 1, 3, 3)), tensor("more", 1, ("N", 2))],
        [tensor("scores", 1, ("N", 3)), tensor("map", 1, ("N", 2, 2, 2))],
        [numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    imports = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path


def test_several_inputs_and_outputs_are_joined_in_the_models_order(tmp_path: Path) -> None:
    import onnxruntime

    path = two_ways(tmp_path / "two.onnx")
    model = loaded(path)
    assert [(each.name, each.shape) for each in model.inputs] == [
        ("image", (1, 3, 3)),
        ("more", (2,)),
    ]
    assert [each.name for each in model.outputs] == ["scores", "map"]
    rows = RNG.normal(size=(4, 11)).astype(np.float32)
    given = {"image": rows[:, :9].reshape(4, 1, 3, 3), "more": rows[:, 9:]}
    scores, image = onnxruntime.InferenceSession(path.read_bytes()).run(None, given)
    expected = np.concatenate([scores, image.reshape(4, -1)], axis=1)
    assert np.allclose(model.predict(rows), expected, atol=1e-6)


@pytest.mark.slow
def test_several_inputs_and_outputs_become_one_core(tmp_path: Path, traced: Traced) -> None:
    project = traced(two_ways(tmp_path / "two.onnx"), precision="fixed<16,6>")
    assert [each.name for each in project.outputs] == ["scores", "map"]
    assert largest_error(project) < 0.1
