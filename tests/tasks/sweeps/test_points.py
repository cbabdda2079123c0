"""Points: how many, which, how they are named, and what their digest depends on."""

import json
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tasks.sweeps import points
from tasks.sweeps.points import count, expand
from tests.tasks.sweeps.conftest import DIGITS, Write


def test_a_grid_has_every_combination_named_by_what_differs(write: Write) -> None:
    file = write("axes:\n  words: [float32, packed]\n  board: [twin]\n  clock_period_ns: [8, 12]")
    assert [each.name for each in expand(file)] == [
        "words=float32, clock_period_ns=8",
        "words=float32, clock_period_ns=12",
        "words=packed, clock_period_ns=8",
        "words=packed, clock_period_ns=12",
    ]
    assert count(file) == 4


def test_a_list_has_its_points_and_the_base_for_the_rest(write: Write) -> None:
    file = write("points:\n  - {words: packed, precision: auto}\n  - {reuse_factor: 2}\n")
    first, second = expand(file)
    assert (first.conversion.words, first.conversion.reuse_factor) == ("packed", 1)
    assert (second.conversion.words, second.conversion.reuse_factor) == ("float32", 2)
    assert second.name == "reuse_factor=2"


def test_a_layer_is_a_setting_of_its_own(write: Write) -> None:
    file = write("axes:\n  layer_precision.hidden: ['fixed<8,3>', 'fixed<6,2>']\n")
    first, second = expand(file)
    assert first.name == "hidden=fixed<8,3>"
    assert second.conversion.layer_precision == {"hidden": "fixed<6,2>"}


def test_a_model_is_named_by_its_file_and_relative_to_the_sweep(
    write: Write, tmp_path: Path
) -> None:
    os.link(DIGITS / "digits.keras", tmp_path / "small.keras")
    os.link(DIGITS / "digits.keras", tmp_path / "large.keras")
    small, large = expand(write("axes: {model: [small.keras, large.keras]}"))
    assert (small.name, large.name) == ("model=small", "model=large")
    assert small.model == tmp_path / "small.keras"
    assert small.conversion.project_name == "small"


def test_random_draws_without_repetition_and_the_same_for_a_seed(write: Write) -> None:
    axes = "axes: {reuse_factor: [1, 2, 3, 4, 5, 6], words: [float32, packed]}\n"
    text = axes + "random: {n: 5, seed: %d}"
    first, again, other = (expand(write(text % seed)) for seed in (3, 3, 4))
    assert len({each.digest for each in first}) == 5
    assert first == again
    assert [each.name for each in first] != [each.name for each in other]
    assert count(write(text.replace("n: 5", "n: 99") % 1)) == 12


def test_ten_thousand_points_are_counted_without_being_made(write: Write) -> None:
    numbers = list(range(1, 101))
    assert count(write(f"axes: {{reuse_factor: {numbers}, clock_period_ns: {numbers}}}")) == 10_000


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_every_combination_has_a_number(sizes: list[int], data: st.DataObject) -> None:
    import itertools

    axes = {str(number): list(range(size)) for number, size in enumerate(sizes)}
    every = list(itertools.product(*axes.values()))
    index = data.draw(st.integers(0, len(every) - 1))
    assert tuple(points._pick(axes, index)) == every[index]  # type: ignore[arg-type]  # lists of values


def test_the_digest_tells_points_apart_by_all_that_counts_and_by_nothing_else(
    write: Write,
) -> None:
    text = "points: [{words: packed}]\n"
    (one,) = expand(write(text))
    assert expand(write(text + "workers: 2\nprune_above: 9\n")) == [one]
    others = ("limits: {mode: warn}", "measurement: {passes: 1}")
    assert all(expand(write(text + other))[0].digest != one.digest for other in others)
    (renamed,) = expand(write("points: [{words: packed, board: twin}]"))
    assert renamed.digest == one.digest
    assert one.digest != expand(write("points: [{words: packed, board: other}]"))[0].digest


def test_points_on_two_boards_share_their_build(write: Write) -> None:
    one, other = expand(write("axes: {board: [twin, twin-2]}"))
    assert one.digest != other.digest
    assert (one.build, one.convert) == (other.build, other.convert)


def test_a_changed_data_file_makes_another_point(write: Write, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    data.write_bytes((DIGITS / "digits.npz").read_bytes())
    text = f"points: [{{data: {data}}}]"
    (before,) = expand(write(text))
    data.write_bytes(data.read_bytes() + b" ")
    os.utime(data, ns=(1, 1))
    (after,) = expand(write(text))
    assert before.digest != after.digest


def test_a_point_survives_json(write: Write) -> None:
    (one,) = expand(write("points: [{words: packed, layer_precision: {hidden: auto}}]"))
    assert points.Point.model_validate(json.loads(one.model_dump_json())) == one
