"""What runs on boards runs under the oldest Python and numpy that boards have."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import board
from board.codec import dequantise, quantise
from tasks.packaging.archive import BOARD_MODULES

pytestmark = pytest.mark.slow

# PYNQ 2.7 and its oldest numpy; PYNQ 3.0.1 and the oldest numpy for its Python.
OLDEST = {"3.8": "1.17.*", "3.10": "1.21.*"}

CONVERT = """
import json, sys
import numpy as np
from board.codec import dequantise, quantise
given = json.load(sys.stdin)
values = np.array(given["values"], np.float32)
said = []
for element in given["elements"]:
    raw = quantise(values, **element)
    back = dequantise(raw, element["width"], element["integer"])
    said.append([raw.tolist(), back.tolist()])
print(json.dumps(said))
"""


def run(program: Path, *arguments: str | Path, cwd: Path | None = None) -> int:
    return subprocess.run([program, *arguments], cwd=cwd, check=False).returncode


def interpreter(version: str) -> Path:
    """A Python of that version that runs; skips the test when there is none."""
    found = shutil.which(f"python{version}")
    installed = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    for candidate in [*([Path(found)] if found else []), *installed]:
        if run(candidate, "-c", "") == 0:
            return candidate
    pytest.skip(f"no Python {version} here")


@pytest.fixture(scope="module", params=OLDEST)
def old_python(request: pytest.FixtureRequest) -> Path:
    """A Python with its oldest numpy, kept in pytest's cache."""
    assert request.config.cache is not None
    environment = Path(request.config.cache.mkdir(f"python{request.param}"))
    python = environment / "bin" / "python"
    if not python.exists() or run(python, "-c", "import numpy"):
        run(interpreter(request.param), "-m", "venv", environment)
        numpy = f"numpy=={OLDEST[request.param]}"
        if run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", numpy):
            pytest.skip(f"{numpy} cannot be installed")
    return python


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with what a package holds of ours."""
    (tmp_path / "board").mkdir()
    for module in BOARD_MODULES:
        shutil.copy(Path(board.__file__).parent / module, tmp_path / "board")
    return tmp_path


def test_every_module_compiles_without_a_warning(old_python: Path, programs: Path) -> None:
    compile_all = ("-W", "error", "-m", "compileall", "-q", "board")
    assert run(old_python, *compile_all, cwd=programs) == 0


def test_the_codec_gives_the_same_numbers(old_python: Path, programs: Path) -> None:
    values = np.random.default_rng(1).normal(scale=20, size=500).round(3).astype(np.float32)
    rounding = ("TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_INF", "RND_MIN_INF", "RND_CONV")
    elements: list[dict[str, Any]] = [
        {"width": w, "integer": i, "signed": s, "rounding": r, "saturation": o}
        for (w, i, s), r, o in itertools.product(
            ((8, 4, True), (64, 60, False), (64, 9, True)),
            rounding,
            ("WRAP", "SAT", "SAT_ZERO", "SAT_SYM"),
        )
    ]
    request = json.dumps({"values": values.tolist(), "elements": elements})
    said = subprocess.run(
        [old_python, "-W", "error", "-c", CONVERT],
        cwd=programs,
        input=request,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for element, (raw, back) in zip(elements, json.loads(said), strict=True):
        expected = quantise(values, **element)
        assert raw == expected.tolist(), element
        assert back == dequantise(expected, element["width"], element["integer"]).tolist(), element


def test_the_runner_reaches_the_board(old_python: Path, programs: Path) -> None:
    # Without pynq there is none: it is the last thing looked for, after all imports and checks.
    files = ("hls4ml_nn.bit", "hls4ml_nn.hwh", "X_test.npy", "y_csim.npy")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for name in files:
        (programs / name).touch()
    manifest = {"schema_version": 1, "files": {name: {"sha256": empty} for name in files}}
    (programs / "manifest.json").write_text(json.dumps(manifest))
    with subprocess.Popen(
        [old_python, "-W", "error", "-m", "board.runner", "--out", "out", "--run-id", "1"],
        cwd=programs,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        event = json.loads(process.stdout.readlines()[-1])
        assert process.wait(timeout=30) == 6
    assert event["kind"] == "no_board"
    assert "No module named 'pynq'" in event["what"]
