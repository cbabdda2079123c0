"""Files that no front end should take: one message, exit code 2, nothing run, nothing left."""

import json
import os
import pickle
import re
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from deployments.cli import main
from tasks.conversion.frontends import choice
from tasks.conversion.keras_text import HDF5_MAGIC
from tasks.conversion.modelfile import identify
from tasks.core.errors import InputError, UnsupportedModelError
from tasks.core.settings import frontend_packages
from tests.tasks.conversion.frontends import test_onnx

Writer = Callable[[Path], object]

SUFFIXES = (".keras", ".h5", ".json", ".onnx", ".pt2", ".pt")
LAMBDA = {
    "class_name": "Sequential",
    "config": {"layers": [{"class_name": "Lambda", "config": {"function": "os.abort"}}]},
}


class Bomb:
    """Makes a directory when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.made),))


def archive(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)


def bomb(path: Path) -> bytes:
    return pickle.dumps(Bomb(path.with_name("made")))


def keras_archive(path: Path, model: Any) -> None:
    members = {"config.json": model, "metadata.json": {"keras_version": "3.12.0"}}
    texts = {name: json.dumps(each).encode() for name, each in members.items()}
    archive(path, texts | {"model.weights.h5": HDF5_MAGIC})


def hdf5(path: Path, model: Any = None) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.9.0"
        if model:
            file.attrs["model_config"] = json.dumps(model)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2_000_000_000)


def swollen(path: Path) -> None:
    """An archive that claims to unpack to 2 GB."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model/data/weights", b"")
        file.filelist[0].file_size = 2_000_000_000


def hollow(path: Path) -> None:
    """An HDF5 file of a few kilobytes whose weights take 4 TB once they are read."""
    with h5py.File(path, "w") as file:
        file.create_dataset("model_weights/d/kernel", (1_000_000, 1_000_000), chunks=(1000, 1000))


def cut(path: Path, write: Writer) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[:-60])


def outside(path: Path) -> None:
    """Save an ONNX model whose weights are in another directory."""
    graph = onnx.load(test_onnx.mlp(path))
    tensor = graph.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../weights.bin")
    tensor.ClearField("raw_data")
    path.write_bytes(graph.SerializeToString())


# By kind of badness: what writes the file, whatever its suffix is.
ANY_SUFFIX: dict[str, Writer] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a model"),
    "picture": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "another archive": lambda path: archive(path, {"letter.txt": b"Dear Sir"}),
    "HDF5 without a model": hdf5,
    "pickle": lambda path: path.write_bytes(bomb(path)),
    "pickle in an archive": lambda path: archive(path, {"model/data.pkl": bomb(path)}),
    "TorchScript": lambda path: archive(
        path,
        {"m/code/__torch__.py": b"open('/etc/passwd').read()", "m/constants.pkl": bomb(path)},
    ),
    "2 GB": sparse,
    "2 GB in an archive": swollen,
    "4 TB in HDF5": hollow,
    "Lambda in an archive": lambda path: keras_archive(path, LAMBDA),
    "Lambda in HDF5": lambda path: hdf5(path, LAMBDA),
    "Lambda in JSON": lambda path: path.write_text(json.dumps(LAMBDA)),
    "Keras archive, cut off": lambda path: cut(path, lambda p: keras_archive(p, LAMBDA)),
    "HDF5, cut off": lambda path: cut(path, lambda p: hdf5(p, LAMBDA)),
    "ONNX, cut off": lambda path: cut(path, test_onnx.mlp),
    "ONNX with weights elsewhere": outside,
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("what", ANY_SUFFIX)
def test_a_bad_file_ends_with_one_message_and_nothing_run_or_left(
    what: str,
    suffix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "models" / f"model{suffix}"
    path.parent.mkdir()
    ANY_SUFFIX[what](path)
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    assert main.main(["estimate", str(path)]) == 2
    told = capsys.readouterr().err
    assert told.count("overlayflow: ") == 1
    assert "Traceback" not in told
    assert told.startswith(f"overlayflow: {path}: ")
    assert "\n  -> " in told
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.filterwarnings("ignore:The onnxtxt format is experimental")
@pytest.mark.parametrize("form", ["json", "onnxtxt", "textproto"])
@pytest.mark.parametrize("name", ["model.onnx", "model.json"])
def test_a_text_form_of_onnx_is_named_with_the_call_that_saves_it_as_binary(
    form: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(onnx.load(test_onnx.mlp(tmp_path / "binary.onnx")), name, format=form)
    with pytest.raises(InputError, match=rf"an ONNX model in a text form \({form}\)") as told:
        identify(Path(name))
    exec(told.value.remedy.removeprefix("save it as binary: "))  # noqa: S102 - its advice is right
    assert identify(Path("model.onnx")).framework == "onnx"


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own
        import keras

        yield keras


def chain(keras: Any, *layers: Any, **given: Any) -> Any:
    return keras.Sequential([keras.layers.Input(given.pop("shape", (6,)), **given), *layers])


def diverged(keras: Any, value: float) -> Any:
    model = chain(keras, keras.layers.Dense(2, name="d"))
    kernel, bias = model.layers[-1].get_weights()
    kernel[1, 0] = value
    model.layers[-1].set_weights([kernel, bias])
    return model


KERAS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "float16": (lambda k: chain(k, k.layers.Dense(2, dtype="float16", name="d")), "d .*float16"),
    "bfloat16": (
        lambda k: chain(k, k.layers.Dense(2, dtype="mixed_bfloat16", name="d")),
        "d .*bfloat16",
    ),
    "dynamic shape": (
        lambda k: chain(k, k.layers.Conv1D(2, 3), shape=(None, 3)),
        r"has shape .*fixed dimensions",
    ),
    "channels first": (
        lambda k: chain(
            k, k.layers.AveragePooling2D(2, data_format="channels_first", name="p"), shape=(2, 4, 4)
        ),
        "p has its channels first",
    ),
    "NaN": (lambda k: diverged(k, float("nan")), "d has 1 NaN or infinite values of 12"),
    "infinity": (lambda k: diverged(k, float("-inf")), "d has 1 NaN or infinite values of 12"),
    "not built": (lambda k: k.Sequential([k.layers.Dense(2)]), "is not built"),
    "a name with a space": (lambda k: chain(k, k.layers.Dense(2, name="my layer")), "'my layer'"),
    "a name of hls4ml's": (
        lambda k: chain(k, k.layers.Dense(2, name="result")),
        "'result' has a name that hls4ml uses",
    ),
    "a keyword as a name": (lambda k: chain(k, k.layers.Dense(2, name="class")), "'class'"),
}


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
@pytest.mark.parametrize("what", KERAS)
def test_a_keras_model_that_cannot_be_converted_is_named_by_layer(
    what: str, keras: Any, tmp_path: Path
) -> None:
    make, named = KERAS[what]
    make(keras).save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedModelError, match=named) as refused:
        choice.load(identify(tmp_path / "model.keras")).configure("Vivado")
    assert refused.value.exit_code == 2
    assert refused.value.remedy


def test_a_model_of_any_name_is_computed(keras: Any, tmp_path: Path) -> None:
    layers = [keras.layers.Input((6,)), keras.layers.Dense(2)]
    keras.Sequential(layers, name="my first model").save(tmp_path / "model.keras")
    model = choice.load(identify(tmp_path / "model.keras"))
    assert model.predict(np.zeros((3, 6), np.float32)).shape == (3, 2)


@pytest.mark.filterwarnings("ignore")  # hgq2's own, of everything that it imports
def test_a_layer_of_hgq2_that_cannot_be_converted_is_named(keras: Any, tmp_path: Path) -> None:
    from hgq.layers import QLIF, QConv2D

    for shape, layer, named in (
        ((4, 2), QLIF(2, name="spikes"), r"spikes \(QLIF\): hls4ml has no such layer"),
        ((8, 8, 2), QConv2D(2, 3, groups=2, name="halves"), r"halves \(QConv2D\): .* in groups"),
    ):
        model = keras.Sequential([keras.layers.Input(shape), layer])
        model(np.zeros((1, *shape), np.float32))
        model.save(tmp_path / "model.keras")
        with pytest.raises(UnsupportedModelError, match=f"(?s)layer {named}.*replace it"):
            choice.load(identify(tmp_path / "model.keras")).configure("Vivado")


def test_a_custom_layer_of_keras_is_never_looked_up(keras: Any, tmp_path: Path) -> None:
    chain(keras, keras.layers.Dense(2, name="mine")).save(tmp_path / "plain.keras")
    with zipfile.ZipFile(tmp_path / "plain.keras") as old:
        members = {name: old.read(name) for name in old.namelist()}
    changed = members["config.json"].replace(
        b'"module": "keras.layers", "class_name": "Dense"',
        b'"module": "shutil", "class_name": "rmtree"',
    )
    assert changed != members["config.json"]
    archive(tmp_path / "model.keras", members | {"config.json": changed})
    with pytest.raises(UnsupportedModelError, match="keras cannot load it") as refused:
        choice.load(identify(tmp_path / "model.keras"))
    assert refused.value.remedy


def custom(path: Path) -> None:
    node = helper.make_node("Mine", ["x"], ["y"], domain="my.company")
    test_onnx.saved(path, [node], ("N", 3))


def typed(kind: int) -> Writer:
    node = helper.make_node("Relu", ["x"], ["y"])
    return lambda path: test_onnx.saved(path, [node], ("N", 3), kind=kind)


def dynamic(path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    test_onnx.saved(path, nodes, ("N", "width", 3), result=("N", "width", 3))


GRAPHS: dict[str, Writer] = {
    "float16": typed(TensorProto.FLOAT16),
    "bfloat16": typed(TensorProto.BFLOAT16),
    "integers": typed(TensorProto.INT64),
    "dynamic shape": dynamic,
    "custom operator": custom,
}


@pytest.mark.parametrize("what", GRAPHS)
def test_an_onnx_graph_that_cannot_be_converted_ends_with_one_message(
    what: str, tmp_path: Path
) -> None:
    GRAPHS[what](tmp_path / "model.onnx")
    with pytest.raises(UnsupportedModelError) as refused:
        choice.load(identify(tmp_path / "model.onnx"))
    assert refused.value.exit_code == 2
    assert refused.value.remedy
    assert "\n" not in str(refused.value).partition("\n  -> ")[0]


# Saves models of QKeras for Keras 3, loads each as the conversion's child does, and says what came
# of it.
QKERAS = """
import json, sys
from pathlib import Path
import keras, qkeras
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.errors import InputError
class Mine(qkeras.QDense):
    pass
k, bits = keras.layers, {"kernel_quantizer": "quantized_bits(6,1,alpha=1)"}
models = {
    "float16": [k.Input((6,)), qkeras.QDense(2, dtype="float16", name="d", **bits)],
    "dynamic shape": [k.Input((None, 3)), qkeras.QConv1D(2, 3, name="d", **bits)],
    "channels first": [k.Input((2, 4, 4)), qkeras.QActivation("quantized_relu(6,2)"),
                       k.AveragePooling2D(2, data_format="channels_first", name="d")],
    "keyword": [k.Input((6,)), qkeras.QDense(2, name="class", **bits)],
    "custom": [k.Input((6,)), qkeras.QDense(2, **bits), Mine(2, name="d", **bits)],
}
for what, layers in models.items():
    path = Path(sys.argv[1]) / f"{what}.keras"
    keras.Sequential(layers).save(path)
    keras.saving.get_custom_objects().pop("Custom>Mine", None)
    try:
        choice.load(identify(path, "qkeras"))
        print("FOUND", json.dumps([what, "", ""]))
    except InputError as error:
        print("FOUND", json.dumps([what, str(error), error.remedy]))
"""


def refusals(script: str, directory: Path, **env: str) -> dict[str, str]:
    """Run a script below; return what it says of each model that is refused with a remedy.

    Models of both say the same of what both have.
    """
    command = [sys.executable, "-c", script, str(directory)]
    done = subprocess.run(command, env=os.environ | env, check=True, capture_output=True, text=True)
    found = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    named = {what: text for what, text, remedy in found if remedy}
    assert "layer d computes in float16" in named["float16"]
    assert "hardware needs fixed dimensions" in named["dynamic shape"]
    assert "layer d has its channels first" in named["channels first"]
    assert "'class'" in named["keyword"]
    return named


@pytest.mark.slow
def test_models_of_qkeras_that_cannot_be_converted_end_with_one_message(tmp_path: Path) -> None:
    packages = frontend_packages("qkeras")
    if not packages.is_dir():
        pytest.skip("make env-qkeras installs what this needs")
    named = refusals(QKERAS, tmp_path, PYTHONPATH=f"{packages}:{Path.cwd()}")
    assert "qkeras cannot load it" in named["custom"]


# Saves models of Keras 2, loads each as the conversion's child does, and says what came of it.
KERAS_2 = """
import json, os, sys
from pathlib import Path
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tf_keras
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.errors import InputError
k = tf_keras.layers
class Mine(k.Dense):
    pass
models = {
    "float16": [k.Input((6,)), k.Dense(2, dtype="float16", name="d")],
    "dynamic shape": [k.Input((None, 3)), k.Conv1D(2, 3, name="d")],
    "channels first": [k.Input((2, 4, 4)),
                       k.ZeroPadding2D(data_format="channels_first", name="d")],
    "keyword": [k.Input((6,)), k.Dense(2, name="class")],
    "custom": [k.Input((6,)), Mine(2, name="d")],
    "LayerNormalization": [k.Input((6,)), k.LayerNormalization(name="d")],
    "dilated": [k.Input((8, 3)), k.Conv1D(2, 3, dilation_rate=2, name="d")],
    "transposed": [k.Input((8, 3)), k.Conv1DTranspose(2, 3, name="d")],
    "multiplied": [k.Input((8, 8, 2)), k.DepthwiseConv2D(3, depth_multiplier=2, name="d")],
    "mish": [k.Input((6,)), k.Dense(2, activation="mish", name="d")],
    "clipped": [k.Input((6,)), k.ReLU(max_value=1, name="d")],
    "softmax": [k.Input((8, 3)), k.Softmax(axis=1, name="d")],
    "steps": [k.Input((4, 8, 3)), k.TimeDistributed(k.Conv1D(2, 3), name="d")],
    "unknown": [k.Input((6,)), k.RepeatVector(2, name="d")],
    "reserved": [k.Input((6,)), k.Dense(2, name="result")],
    "inner": [k.Input((6,)), tf_keras.Sequential([k.Dense(2)], name="d")],
}
for what, layers in models.items():
    path = Path(sys.argv[1]) / f"{what}.h5"
    tf_keras.Sequential(layers).save(path)
    try:
        choice.load(identify(path))
        print("FOUND", json.dumps([what, "", ""]))
    except InputError as error:
        print("FOUND", json.dumps([what, str(error), error.remedy]))
"""


@pytest.mark.slow
def test_models_of_keras_2_that_cannot_be_converted_end_with_one_message(tmp_path: Path) -> None:
    named = refusals(KERAS_2, tmp_path)
    assert "Unknown layer: 'Mine'" in named["custom"]
    told = {
        "LayerNormalization": r"layer d \(LayerNormalization\).*by BatchNormalization",
        "dilated": r"layer d \(Conv1D\): its kernel is dilated",
        "transposed": r"layer d \(Conv1DTranspose\).*UpSampling1D with Conv1D",
        "multiplied": r"layer d \(DepthwiseConv2D\): its depth_multiplier is above 1",
        "mish": r"layer d \(Dense\): hls4ml has no activation mish",
        "clipped": r"layer d \(ReLU\): hls4ml ignores its largest value",
        "softmax": r"layer d \(Softmax\).*--framework keras",
        "steps": r"layer d \(TimeDistributed\): hls4ml has no Conv1D for every step",
        "unknown": r"layer d \(RepeatVector\): hls4ml has no such layer",
        "reserved": "layer 'result' has a name that hls4ml uses",
        "inner": r"layer d \(Sequential\).*--framework keras",
    }
    for what, pattern in told.items():
        assert re.search(f"(?s){pattern}", named[what]), (what, named[what])


# Rewrites a model of Keras 2, and says by how much the outputs differ, and what layers it has.
REWRITTEN = """
import json, os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np, tf_keras
sys.modules["keras"] = tf_keras
from tasks.conversion.frontends.keras2_rewrites import rewritten
k = tf_keras.layers
x = np.random.default_rng(3).normal(2, 5, (40, 6, 2)).astype(np.float32)
statistics = k.Normalization(name="statistics")
statistics.adapt(x)
model = tf_keras.Sequential([
    k.Input((6, 2)), statistics, k.Rescaling([3.0, -2.0], offset=[1.0, 0.5], name="scaled"),
    k.TimeDistributed(k.Dense(3), name="steps"), k.Softmax(name="shares"),
    k.GaussianNoise(0.5, name="noise"), k.SpatialDropout1D(0.5, name="drop"), k.Conv1D(3, 2),
    k.BatchNormalization(), k.ReLU(max_value=6, name="clipped"), k.ReLU(name="plain"),
    k.Flatten(), k.Dense(2)])
made = rewritten(model)
y = model.predict(x, verbose=0)
print("FOUND", json.dumps([
    float(np.abs(made.predict(x, verbose=0) - y).max() / np.abs(y).max()),
    [type(made.get_layer(name)).__name__
     for name in "statistics scaled steps shares noise drop clipped plain".split()]]))
"""


@pytest.mark.slow
def test_layers_of_keras_2_are_rewritten_without_changing_outputs() -> None:
    command = [sys.executable, "-c", REWRITTEN]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    (found,) = [line[6:] for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    error, kinds = json.loads(found)
    assert error < 1e-5
    assert kinds[:4] == ["BatchNormalization", "BatchNormalization", "Dense", "Activation"]
    assert kinds[4:] == ["Dropout", "Dropout", "Activation", "ReLU"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "open_axis", "named"),
    [
        ("float16", None, "of type float16"),
        ("bfloat16", None, "of type bfloat16"),
        ("float32", 1, "has a shape that depends on the input"),
    ],
)
def test_a_program_of_pytorch_that_cannot_be_converted_ends_with_one_message(
    dtype: str, open_axis: int | None, named: str, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch", reason="make env-pytorch installs what this needs")
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()).eval()
    x = torch.zeros(2, 5, 4, dtype=getattr(torch, dtype))
    shapes = None if open_axis is None else ({open_axis: torch.export.Dim("width")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        program = torch.export.export(model.to(x.dtype), (x,), dynamic_shapes=shapes)
        torch.export.save(program, tmp_path / "model.pt2")
        with pytest.raises(UnsupportedModelError, match=named) as refused:
            choice.load(identify(tmp_path / "model.pt2"))
    assert refused.value.remedy
