"""Sweep files: what is wrong is said with file, line, field and what would be right."""

from pathlib import Path

import pytest

from tasks.core.errors import InputError
from tasks.sweeps.file import SweepFile, Value, compose, to_run
from tasks.sweeps.points import expand
from tests.tasks.sweeps.conftest import DIGITS, Write


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("axes: {word: [packed]}", 3, "unknown setting 'word'"),
        ("axes:\n  words: [packed]\n  colour: [red]", 5, "unknown setting 'colour'"),
        ("points:\n  - words: packed\n  - wrods: packed", 5, "unknown setting 'wrods'"),
        ("axes: {layer_precision.: [a]}", 3, "unknown setting 'layer_precision.'"),
        ("axis: {words: [packed]}", 3, "unknown field 'axis'"),
        ("axes: {words: [packed]}\nrandom: {n: 3, sed: 1}", 4, "unknown field 'sed'"),
        ("axes: {words: [packed]}\nlimits: {acuracy: 3}", 4, "unknown field 'acuracy'"),
        ("axes: {words: []}", 3, "the grid is empty"),
        ("axes: {}", 1, "give either axes or points"),
        ("", 1, "give either axes or points"),
        ("axes: {words: [packed]}\npoints: [{words: packed}]", 1, "give either axes or points"),
        ("axes: {words: [packed]}\nrandom: {n: 0}", 4, "greater than or equal to 1"),
        ("axes: {words: [packed]}\nrandom: {n: 1}\noptuna: {trials: 1}", 1, "not both"),
        ("axes: {words: [packed]}\noptuna: {trials: 1, objectives: {speed: minimize}}", 4, "lut"),
        ("axes: {words: [packed]}\nworkers: 0", 4, "greater than or equal to 1"),
        ("axes:\n  words:\n    - packed\n    - tight", 6, "Input should be 'float32'"),
        ("axes: {reuse_factor: [1, 0]}", 3, "(got 0)"),
        ("axes: {toolchain: [open, ise]}", 3, "unknown toolchain 'ise'"),
        ("points: [{board_kind: zx81}]", 3, "unknown board kind 'zx81'"),
        ("axes: {clock_period_ns: [10, 10]}", 3, "are identical"),
        ("axes: {precision: ['fixed<16,6>', 'ap_fixed<16, 6>']}", 3, "are identical"),
        (
            "axes: {precision: [fixed<16,6>, fixed<8,3>]}",
            3,
            "cuts a precision at its comma: fixed<16, ...",
        ),
        ("points:\n  - {precision: fixed<16,6>}", 4, "cuts a precision at its comma: fixed<16"),
        ("points: [{layer_precision: {hidden: fixed<8,3>}}]", 3, "quote precisions inside"),
        ("points:\n  - layer_precision:\n      hidden: auto\n      hiden: auto", 6, "did you mean"),
        ("axes:\n  layer_precision:\n    - hidden: auto\n    - hidden: fixd<8>", 6, "'fixd<8>'"),
        ("points:\n  - layer_precision:\n      hidden.wieght: auto", 5, "no layer of hls4ml"),
        ("points:\n  - layer_reuse_factor:\n      hidden: fast", 5, "(got 'fast')"),
        ("axes:\n  words: [packed]\n  words: [float32]", 5, "also in line 4"),
        ("points:\n  - words: packed\n    words: float32", 5, "'words' stands twice"),
        ("axes: {words: [packed]}\naxes: {reuse_factor: [1, 2]}", 4, "also in line 3"),
        ("axes: {reuse_factor: [1,\n  010]}", 4, "YAML reads 010 as 8"),
        ("axes: {clock_period_ns: [1:30]}", 3, "YAML reads 1:30 as 90"),
        ("axes: {words: [off]}", 3, "YAML reads off as False"),
        ("axes: {target: [2026-01-02]}", 3, "YAML reads 2026-01-02 as"),
        ("axes: {reuse_factor: [0x10, 1_0]}", 3, "YAML reads 0x10 as 16"),
        ("axes: {reuse_factor: [true]}", 3, "no setting is true"),
        ("axes: {reuse_factor: [&a [*a]]}", 3, "reuse_factor"),
        ("axes: {layer_precision.hiden: [auto]}", 3, "no layer 'hiden': did you mean 'hidden'?"),
        ("axes: {layer_reuse_factor.hiden: [1]}", 3, "no layer 'hiden'"),
        ("points: [{layer_precision: {hiden: auto}}]", 3, "no layer 'hiden'"),
        ("axes: {layer_precision.hidden.wieght: [auto]}", 3, "did you mean 'weight'?"),
        ("axes: {words: [paked]}", 3, "did you mean 'packed'?"),
        ("axes: {precison: [auto]}", 3, "did you mean 'precision'?"),
        ("axes: {board_kind: [pynq-z3]}", 3, "did you mean 'pynq-z2'?"),
        ("axes: {toolchain: [opn]}", 3, "did you mean 'open'?"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write: Write, text: str, line: int, told: str) -> None:
    with pytest.raises(InputError) as caught:
        expand(write(text))
    assert told in str(caught.value).replace("\n", " ")
    assert f"sweep.yaml, line {line}" in caught.value.where


def test_an_unknown_setting_is_answered_with_all_there_are(write: Write) -> None:
    with pytest.raises(InputError) as caught:
        write("axes: {prescision: [auto]}")
    for name in ("precision", "words", "board", "toolchain", "layer_precision.LAYER"):
        assert name in caught.value.remedy


def test_a_precision_without_quotes_in_brackets_is_answered_with_quotes(write: Write) -> None:
    with pytest.raises(InputError, match="fixed<16,6>"):
        write("axes: {precision: [fixed<16,6>, fixed<8,3>}")


@pytest.mark.parametrize("content", [b"", b"- a\n- b", b"\xff\xfe", b"a: [", b"7"])
def test_a_file_that_is_no_sweep(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"sweep\.yaml"):
        SweepFile(path)


@pytest.mark.parametrize(
    "text",
    [
        "axes: {clock_period_ns: [1e1, 8]}",
        "axes: {clock_period_ns: [+10, 8.]}",
        "points: [&p {words: packed}, {<<: *p, clock_period_ns: 8}]",
        "axes: {clock_period_ns: [10,\r\n 8]}",
        "axes: {precision: ['fixed<16,6>', auto]}",
    ],
)
def test_what_means_the_same_to_people_and_to_yaml_is_taken(write: Write, text: str) -> None:
    assert len(expand(write(text))) == 2


@pytest.mark.parametrize(
    "text",
    [
        "axes:\n\twords: [packed]",
        "axes: {words: [packed]}\n---\nname: t",
        "axes: {words: [packed, null]}",
        "axes: {clock_period_ns: [.inf]}",
        "axes: {words: packed}",
        "axes:\n- words: [packed]",
        "workers: auto\naxes: {words: [packed]}",
    ],
)
def test_what_nobody_can_mean_is_refused_in_one_message(write: Write, text: str) -> None:
    with pytest.raises(InputError, match=r"sweep\.yaml"):
        expand(write(text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        SweepFile(tmp_path / "none.yaml")


def test_a_sweep_needs_a_model(write: Write) -> None:
    with pytest.raises(InputError, match="model is required"):
        expand(write("axes: {words: [packed]}", base="base: {data: x.npz}\n"))


def test_a_model_that_is_not_there_is_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path / "none.keras")):
        expand(write("axes: {model: [none.keras]}"))


def test_a_sweep_composed_in_a_form_is_a_file_like_any_other(tmp_path: Path) -> None:
    model, data = DIGITS / "digits.keras", DIGITS / "digits.npz"
    axes: dict[str, list[Value]] = {"words": ["float32", "packed"], "precision": ["fixed<16,6>"]}
    path = compose(tmp_path, "", model, data, board="lab-1", axes=axes)
    assert path == tmp_path / "digits" / "sweep.yaml"
    first, second = expand(SweepFile(path))
    assert (first.model, first.board, second.conversion.words) == (model, "lab-1", "packed")


def test_axes_of_a_form_are_checked_as_those_of_a_file(tmp_path: Path) -> None:
    model = DIGITS / "digits.keras"
    path = compose(tmp_path, "", model, None, board="twin", axes={"words": "packed"})
    with pytest.raises(InputError, match=r"line 6, axes\.words: input should be a valid list"):
        SweepFile(path)


def test_a_model_in_a_form_without_axes_is_not_ignored_for_the_sweep_file(tmp_path: Path) -> None:
    file, model = tmp_path / "sweep.yaml", DIGITS / "digits.keras"
    assert to_run(file, None) == file
    with pytest.raises(InputError, match=r"digits\.keras is given, but nothing to vary"):
        to_run(file, model)
    with pytest.raises(InputError, match="nothing to sweep"):
        to_run(None, None)


@pytest.mark.parametrize(
    ("name", "told"), [("a b", "'a b' cannot be a sweep's name"), ("", "model")]
)
def test_a_sweep_composed_in_a_form_says_what_it_lacks(
    tmp_path: Path, name: str, told: str
) -> None:
    model = DIGITS / "digits.keras" if name else None
    with pytest.raises(InputError, match=told):
        compose(tmp_path, name, model, None, board="twin", axes={"words": ["packed"]})
    assert not list(tmp_path.iterdir())
