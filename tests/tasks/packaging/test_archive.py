import ast
import hashlib
import json
import re
import subprocess
import tarfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import board
from tasks.core.errors import InputError
from tasks.packaging import archive, manifest
from tests.tasks import samples


def packaged(directory: Path) -> Path:
    design, project = samples.write_design_files(directory)
    made = samples.implementation()
    tarball = directory / archive.PACKAGE_FILE
    archive.write(tarball, archive.members(made, design, project), manifest.describe(made))
    return tarball


def test_the_same_inputs_give_the_same_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    first = packaged(tmp_path / "one").read_bytes()
    time.sleep(1.1)  # gzip and tar count seconds
    assert packaged(tmp_path / "two").read_bytes() == first


def test_data_of_any_size_are_packed_in_little_memory(tmp_path: Path) -> None:
    data = tmp_path / "X_test.npy"
    with data.open("wb") as file:
        file.truncate(64_000_000)
    about = manifest.describe(samples.implementation())
    tracemalloc.start()
    try:
        archive.write(tmp_path / archive.PACKAGE_FILE, {"X_test.npy": data}, about)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000
    with tarfile.open(tmp_path / archive.PACKAGE_FILE) as tar:
        assert tar.getmember("X_test.npy").size == 64_000_000


def test_a_package_holds_what_the_hls4ml_documentation_names_at_its_top(tmp_path: Path) -> None:
    with tarfile.open(packaged(tmp_path)) as tar:
        names = tar.getnames()
        assert {"hls4ml_nn.bit", "hls4ml_nn.hwh", "axi_stream_driver.py"} <= set(names)
        assert {"X_test.npy", "y_test.npy", "y_csim.npy", "manifest.json"} <= set(names)
        assert {"board/overlay.py", "board/runner.py"} <= set(names)


def test_a_package_for_hardware_carries_what_a_twin_loads_of_the_same_sources(
    tmp_path: Path,
) -> None:
    design, project = samples.write_design_files(tmp_path)
    made = samples.implementation(target="hardware")
    alone = archive.members(made, design, project)
    assert "hls4ml_nn_twin.bit" not in alone
    for name in ("tiny_twin.bit", "tiny_twin.hwh"):
        (design / name).write_text(f"content of {name}\n")
    both = archive.members(made, design, project)
    assert both.keys() - alone.keys() == {"hls4ml_nn_twin.bit", "hls4ml_nn_twin.hwh"}
    described = archive.write(tmp_path / "package.tar.gz", both, manifest.describe(made))
    assert described.runs_on("twin")
    assert described.runs_on("hardware")
    assert not samples.manifest().runs_on("hardware")


def test_the_manifest_names_every_file_with_digest_and_size(tmp_path: Path) -> None:
    with tarfile.open(packaged(tmp_path)) as tar:
        inside = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]  # all are files
    told = json.loads(inside.pop("manifest.json"))
    assert told["target"] == "twin"
    assert told["files"] == {
        name: {
            "schema_version": 1,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }
        for name, content in inside.items()
    }


def test_the_board_gets_every_module_that_its_programs_import() -> None:
    shipped = set(archive.BOARD_MODULES)
    for name in shipped:
        tree = ast.parse((Path(board.__file__).parent / name).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "board":
                assert {f"{alias.name}.py" for alias in node.names} <= shipped, name
            elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("board."):
                assert f"{str(node.module).removeprefix('board.')}.py" in shipped, name


def test_arrays_are_read_back_from_a_package(tmp_path: Path) -> None:
    tarball = packaged(tmp_path)
    expected = np.load(tmp_path / "project" / "y_csim.npy")
    assert np.array_equal(archive.read_array(tarball, "y_csim.npy"), expected)
    with pytest.raises(InputError, match=r"contains no readable z\.npy"):
        archive.read_array(tarball, "z.npy")


def test_provenance_outside_of_a_repository_says_so(tmp_path: Path) -> None:
    told = manifest.provenance(tmp_path, None, ())
    assert told.git_commit is None
    assert told.git_dirty is None


def test_provenance_names_the_commit_and_says_whether_it_is_all(tmp_path: Path) -> None:
    model = tmp_path / "model.keras"
    model.write_text("trained")
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "a model"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    clean = manifest.provenance(tmp_path, "a flow run", ())
    assert re.fullmatch("[0-9a-f]{40}", clean.git_commit or "")
    assert (clean.git_dirty, clean.flow_run_id) == (False, "a flow run")
    model.write_text("trained again")
    assert manifest.provenance(tmp_path, None, ()).git_dirty
