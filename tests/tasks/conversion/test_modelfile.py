"""Model files are told apart by their content, and refused before any framework is imported."""

import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import pytest

from tasks.conversion import torch_text
from tasks.conversion.frontends import choice
from tasks.conversion.keras_text import HDF5_MAGIC
from tasks.conversion.modelfile import identify
from tasks.core.errors import InputError, ToolMissingError, UnsupportedModelError


def archive(path: Path, version: str, *layers: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", json.dumps({"keras_version": version}))
        file.writestr("config.json", json.dumps(model(*layers)))
        file.writestr("model.weights.h5", HDF5_MAGIC)
    return path


def program(path: Path, **changed: str | bytes) -> Path:
    """Write what is read of a program of torch.export before it is loaded."""
    members = {"models/model.json": "{}", "archive_format": "pt2"} | changed
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(f"program/{name}", content)
    return path


def hdf5(path: Path, version: str, *layers: dict[str, str], weights: bool = False) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        if weights:
            file.attrs["layer_names"] = ["hidden"]
        else:
            file.attrs["model_config"] = json.dumps(model(*layers))
    return path


def model(*layers: dict[str, str]) -> dict[str, Any]:
    described = [{**each, "config": {}} for each in layers]
    return {"class_name": "Sequential", "config": {"layers": described}}


def layer(name: str, module: str = "keras.layers") -> dict[str, str]:
    return {"class_name": name, "module": module}


DENSE = layer("Dense")
HGQ2 = layer("QDense", "hgq.layers")
QKERAS = layer("QDense", "qkeras.qlayers")


@pytest.mark.parametrize(
    ("written", "suffix", "framework", "environment"),
    [
        (lambda path: archive(path, "3.12.0", DENSE), ".keras", "keras", ""),
        (lambda path: archive(path, "3.12.0", HGQ2), ".keras", "keras", ""),
        (lambda path: archive(path, "3.12.0", QKERAS), ".keras", "qkeras", "qkeras"),
        (lambda path: archive(path, "2.15.0", DENSE), ".keras", "keras2", ""),
        (lambda path: hdf5(path, "3.12.0", HGQ2), ".h5", "keras", ""),
        (lambda path: hdf5(path, "2.9.0", DENSE), ".h5", "keras2", ""),
        (
            lambda path: hdf5(path, "2.9.0", {"class_name": "QActivation"}),
            ".h5",
            "keras2",
            "keras2",
        ),
        (lambda path: hdf5(path, "2.9.0", {"class_name": "HDense"}), ".h5", "keras2", "keras2"),
        (lambda path: hdf5(path, "2.9.0", {"class_name": "HeNormal"}), ".h5", "keras2", ""),
        (
            lambda path: hdf5(path, "2.9.0", {"class_name": "PruneLowMagnitude"}),
            ".hdf5",
            "keras2",
            "keras2",
        ),
        (lambda path: archive(path, "3.12.0", DENSE), ".h5", "keras", ""),
        (lambda path: archive(path, "3.12.0", DENSE), ".json", "keras", ""),
        (lambda path: hdf5(path, "2.9.0", {"class_name": "Dense"}), ".json", "keras2", ""),
    ],
)
def test_the_content_decides_what_reads_a_file(
    tmp_path: Path, written: Any, suffix: str, framework: str, environment: str
) -> None:
    found = identify(written(tmp_path / f"model{suffix}"))
    assert (found.framework, found.environment) == (framework, environment)


def test_a_program_of_pytorch_is_one_under_another_suffix(tmp_path: Path) -> None:
    assert identify(program(tmp_path / "program.onnx")).framework == "pytorch"


# What torch.export.load would unpickle, compile or load, at least from old files.
CODE_IN_PROGRAM: dict[str, dict[str, str | bytes]] = {
    "a compiled library": {"data/aotinductor/model/lib.so": b"\x7fELF"},
    "weights of an old file": {"data/weights/model.pt": b"\x80"},
    "constants of an old file": {"data/constants/model.pt": b"\x80"},
    "an object that nothing names": {"data/constants/opaque_obj_0": b"\x80"},
    "an object among the constants": {
        "data/constants/model_constants_config.json": json.dumps(
            {"config": {"mine": {"use_pickle": False, "path_name": "opaque_obj_0"}}}
        )
    },
}


@pytest.mark.parametrize("what", CODE_IN_PROGRAM)
def test_code_in_a_program_of_pytorch_is_refused(tmp_path: Path, what: str) -> None:
    path = program(tmp_path / "program.pt2", **CODE_IN_PROGRAM[what])
    with pytest.raises(UnsupportedModelError, match="as a pickle or compiled code"):
        identify(path)


def test_a_module_that_the_structure_of_outputs_names_is_not_imported(tmp_path: Path) -> None:
    context = {"default_factory_module": "antigravity", "default_factory_name": "fly"}
    spec = [1, {"type": "collections.defaultdict", "context": context, "children_spec": []}]
    signature = json.dumps({"signature": {"out_spec": json.dumps(spec)}})
    path = program(tmp_path / "program.pt2", **{"models/model.json": signature})
    with pytest.raises(UnsupportedModelError, match=r"returns a collections\.defaultdict"):
        identify(path)


def test_only_what_is_known_to_be_harmless_is_loaded(tmp_path: Path) -> None:
    unknown = {"extra/notes.pkl": b"\x80", "data/executorch/m.pte": b"", "version": b"8"}
    path = program(tmp_path / "program.pt2", **unknown)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("serialized_state_dict.pt", b"\x80")
    with zipfile.ZipFile(io.BytesIO(torch_text.harmless(path))) as loaded:
        assert loaded.namelist() == ["program/models/model.json", "program/archive_format"]


@pytest.mark.parametrize("framework", ["keras", "pytorch"])
@pytest.mark.parametrize(
    ("local", "central", "value"), [(6, 8, 1), (8, 10, 99)], ids=["encrypted", "compression"]
)
def test_an_archive_that_python_does_not_unpack_is_damaged(
    tmp_path: Path, framework: str, local: int, central: int, value: int
) -> None:
    path = archive(tmp_path / "model.zip", "3.12.0", DENSE)
    if framework == "pytorch":
        program(path)
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        for each in re.finditer(re.escape(mark), bytes(content)):
            content[each.start() + offset] = value
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        identify(path)


@pytest.mark.parametrize("config", ["[]", "null", "{}", '"model"'])
def test_a_config_that_describes_no_model_is_refused(tmp_path: Path, config: str) -> None:
    path = archive(tmp_path / "model.keras", "3.12.0")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", '{"keras_version": "3.12.0"}')
        file.writestr("config.json", config)
        file.writestr("model.weights.h5", HDF5_MAGIC)
    with pytest.raises(InputError, match="is damaged"):
        identify(path)
    with h5py.File(tmp_path / "model.h5", "w") as hdf:
        hdf.attrs["model_config"] = config
    with pytest.raises(InputError, match="is damaged"):
        identify(tmp_path / "model.h5")


def test_hgq_models_have_no_block_design(tmp_path: Path) -> None:
    assert not identify(archive(tmp_path / "a.keras", "3.12.0", HGQ2)).block_design
    assert not identify(hdf5(tmp_path / "b.h5", "2.9.0", {"class_name": "HDense"})).block_design
    assert identify(archive(tmp_path / "c.keras", "3.12.0", QKERAS)).block_design


def test_a_person_may_know_better(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", "3.12.0", QKERAS)
    assert identify(path, "keras").framework == "keras"


def test_an_architecture_belongs_with_the_weights_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(model({"class_name": "Dense"})))
    with pytest.raises(InputError, match=r"architecture without weights\n.*net_weights\.h5"):
        identify(path)
    weights = hdf5(tmp_path / "net_weights.h5", "2.4.0", weights=True)
    found = identify(path)
    assert (found.framework, found.files) == ("keras2", (path, weights))
    before = found.digest()
    weights.write_bytes(weights.read_bytes() + b" ")
    assert found.digest() != before
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"net_weights\.h5: is damaged"):
        identify(path)


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "weights.h5", "2.4.0", weights=True)
    with pytest.raises(InputError, match=r"contains only weights\n.*\.json"):
        identify(path)


@pytest.mark.parametrize("version", ["2.9.0", "3.12.0"])
def test_code_in_a_file_is_refused(tmp_path: Path, version: str) -> None:
    path = archive(tmp_path / "model.keras", version, DENSE, layer("Lambda"))
    with pytest.raises(UnsupportedModelError, match="Lambda layer, which is code"):
        identify(path)


def test_a_saved_model_names_the_call_that_converts_it(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(InputError, match=r"is a SavedModel(?s:.*)load_model\(.*\.save\("):
        identify(tmp_path)


def test_a_directory_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        identify(tmp_path)


def test_a_file_that_is_not_there_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)No such file.*relative ones start at"):
        identify(tmp_path / "gone.keras")


def test_a_file_of_two_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)  # sparse
    with pytest.raises(InputError, match=r"2\.0 GB"):
        identify(path)


@pytest.mark.parametrize("kept", [0, 20, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"model{suffix}"
    written = archive if suffix == ".keras" else hdf5
    content = written(path, "3.12.0", DENSE, layer("Flatten")).read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(InputError, match="damaged"):
        identify(path)


def test_a_front_end_that_is_missing_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "frontend_packages", lambda name: tmp_path / name)
    found = identify(archive(tmp_path / "model.keras", "3.12.0", QKERAS))
    with pytest.raises(ToolMissingError, match=r"needs qkeras-v3(?s:.*)make env-qkeras"):
        choice.versions(found)
    missing = {each.remedy for each in choice.findings() if not each.ok}
    # PyTorch is in this environment or not, whatever directory the others are looked for in.
    assert missing - {"make env-pytorch"} == {"make env-qkeras", "make env-keras2"}


def test_no_framework_is_imported_to_tell_files_apart(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "model.h5", "2.9.0", {"class_name": "QDense"})
    script = (
        "import sys; from pathlib import Path\n"
        "from tasks.conversion.frontends import choice\n"
        "from tasks.conversion.modelfile import identify\n"
        f"identify(Path({str(path)!r})); choice.findings()\n"
        "print(sorted({'tensorflow', 'keras', 'hls4ml', 'onnx', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("depth", [200, 200_000])
def test_a_config_that_is_nested_beyond_any_model_is_refused(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "[" * depth + "]" * depth)
        file.writestr("metadata.json", '{"keras_version": "3.12.0"}')
        file.writestr("model.weights.h5", HDF5_MAGIC)
    with pytest.raises(InputError):
        identify(path)
