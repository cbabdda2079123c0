"""Names in model files that attack C++, Tcl, Verilog or a shell: an identifier, or a refusal.

hls4ml writes the names of layers and tensors into all of these.
"""

import json
import os
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import pytest
from onnx import helper

from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tests.tasks.conversion.frontends import test_onnx
from tests.tasks.conversion.frontends.conftest import made

pytestmark = pytest.mark.slow

NAMES = {
    "newline": "x\n#error reached the compiler\n",
    "quotes": "x\"'; return 0; //",
    "preprocessor": "#include </etc/passwd>",
    "end of a comment": "x*/ int main() { return 1; } /*",
    "Tcl command": "x$[exec id]",
    "backticks": "x`id`$(id)",
    "very long": "x" * 10_000,
}
# Loads each file in this process, as the conversion's child does, and says what came of it.
LOAD = """
import json, sys
from pathlib import Path
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.core.errors import InputError
for path in map(Path, sys.argv[1:]):
    try:
        graph = choice.load(identify(path)).configure("Vivado")
    except InputError as error:
        print("FOUND", json.dumps({"refused": str(error)}))
    else:
        print("FOUND", json.dumps({"layers": list(graph["LayerName"])}))
"""
SAVE_KERAS_2 = """
import os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tf_keras
layers = [tf_keras.layers.Input((6,)), tf_keras.layers.Dense(3, name="scores")]
tf_keras.Sequential(layers).save(sys.argv[1])
"""


def renamed_archive(source: Path, path: Path, member: str, old: str, name: str) -> None:
    """Copy a zip archive with a name changed in a member of JSON."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w") as copy:
        changed = 0
        for each in archive.namelist():
            content = archive.read(each)
            if each.endswith(member):
                changed += content.count(json.dumps(old).encode())
                content = content.replace(json.dumps(old).encode(), json.dumps(name).encode())
            copy.writestr(each, content)
    assert changed


def keras(directory: Path) -> list[Path]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own
        import keras as framework

        layers = framework.layers
        plain = directory / "plain.keras"
        framework.Sequential([layers.Input((6,)), layers.Dense(3, name="scores")]).save(plain)
    return _archives(plain, directory, "config.json", "scores")


def qkeras(directory: Path) -> list[Path]:
    return _archives(
        made("make_qkeras.py", directory) / "quantised.keras", directory, "config.json", "scores"
    )


def keras2(directory: Path) -> list[Path]:
    plain = directory / "plain.h5"
    subprocess.run([sys.executable, "-c", SAVE_KERAS_2, str(plain)], check=True)
    paths = []
    for number, name in enumerate(NAMES.values()):
        path = directory / f"{number}.h5"
        path.write_bytes(plain.read_bytes())
        with h5py.File(path, "r+") as file:
            text = file.attrs["model_config"]
            assert '"scores"' in text
            file.attrs["model_config"] = text.replace('"scores"', json.dumps(name))
        paths.append(path)
    return paths


def onnx(directory: Path) -> list[Path]:
    paths = []
    for number, name in enumerate(NAMES.values()):
        path = directory / f"{number}.onnx"
        nodes = [
            helper.make_node("Gemm", ["x", name, "b"], [f"{name}h"], name=name),
            helper.make_node("Relu", [f"{name}h"], ["y"], name=f"{name}relu"),
        ]
        weights = {name: test_onnx.weights(6, 3), "b": test_onnx.weights(3)}
        paths.append(test_onnx.saved(path, nodes, ("N", 6), weights=weights))
    return paths


def pytorch(directory: Path) -> list[Path]:
    torch = pytest.importorskip("torch", reason="make env-pytorch installs what this needs")
    plain = directory / "plain.pt2"
    layers = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.ReLU()).eval()
    torch.export.save(torch.export.export(layers, (torch.zeros(2, 6),)), plain)
    return _archives(plain, directory, "models/model.json", "linear")


def _archives(plain: Path, directory: Path, member: str, old: str) -> list[Path]:
    paths = [directory / f"{number}{plain.suffix}" for number in range(len(NAMES))]
    for path, name in zip(paths, NAMES.values(), strict=True):
        renamed_archive(plain, path, member, old, name)
    return paths


@pytest.mark.parametrize("front_end", [keras, qkeras, keras2, onnx, pytorch])
def test_a_name_that_attacks_is_an_identifier_or_refused(front_end: Any, tmp_path: Path) -> None:
    paths = front_end(tmp_path)
    assert {identify(path).framework for path in paths} == {front_end.__name__}
    packages = choice.packages(identify(paths[0]))
    env = os.environ | ({"PYTHONPATH": f"{packages}:{Path.cwd()}"} if packages else {})
    command = [sys.executable, "-c", LOAD, *map(str, paths)]
    told = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    outcomes = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("FOUND ")]
    assert len(outcomes) == len(NAMES)
    for what, outcome in zip(NAMES, outcomes, strict=True):
        for layer in outcome.get("layers", ()):
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", layer), what
        if "refused" in outcome:
            assert len(outcome["refused"]) < 1000, what  # of 10,000 characters, a few
            assert "\n#error" not in outcome["refused"]
