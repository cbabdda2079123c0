"""Searches: points that Optuna picks by the results before them."""

from pathlib import Path

import pytest

from tasks.core.errors import InputError, ToolMissingError
from tasks.core.records.measurement import Run
from tasks.sweeps import results, search
from tasks.sweeps.points import Point
from tasks.sweeps.session import Session
from tests.tasks.sweeps.conftest import Write, measured

AXES = "axes: {reuse_factor: [1, 2, 3, 4, 5, 6, 7, 8], words: [float32, packed]}\nworkers: 2\n"
OPTUNA = AXES + "optuna: {trials: %d, seed: 1, objectives: {accuracy: maximize, lut: minimize}}\n"


def test_optuna_picks_points_of_the_grid_and_goes_on_where_it_was(
    write: Write, tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    store = str(tmp_path / "store")
    ran: list[str] = []

    def run(point: Point) -> Run:
        ran.append(point.name)
        factor = point.conversion.reuse_factor
        found = measured(point, accuracy=1 - factor / 100, lut=1000 - factor)
        results.keep(store, point, found)
        return found

    first = Session(write(OPTUNA % 6), store, tmp_path, lambda: None)
    first.run(run)
    assert len(ran) == len(set(ran)) <= 6
    again = Session(write(OPTUNA % 6), store, tmp_path, lambda: None)
    again.run(lambda point: pytest.fail(f"{point.name} was started again"))
    assert list(again.results) == list(first.results)
    longer = Session(write(OPTUNA % 10), store, tmp_path, lambda: None)
    longer.run(run)
    assert list(longer.results)[: len(first.results)] == list(first.results)
    assert len(ran) == len(set(ran))


def test_points_that_fail_do_not_stop_the_search(write: Write, tmp_path: Path) -> None:
    pytest.importorskip("optuna")

    def run(point: Point) -> Run:
        raise ValueError(point.name)

    session = Session(write(OPTUNA % 4), str(tmp_path / "store"), tmp_path, lambda: None)
    session.run(run)
    assert {each.state for each in session.results.values()} == {"failed"}


def test_every_value_of_every_axis_is_checked_before_a_search_starts(write: Write) -> None:
    pytest.importorskip("optuna")
    assert len(search.check(write(OPTUNA % 4))) == 10


def test_without_optuna_the_remedy_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ToolMissingError, match="overlayflow\\[optuna\\]"):
        search.check(write(OPTUNA % 4))


def test_more_points_than_anybody_means_are_refused_before_they_are_made(write: Write) -> None:
    numbers = list(range(1, 101))
    grid = f"axes: {{reuse_factor: {numbers}, clock_period_ns: {numbers}}}\n"
    with pytest.raises(InputError, match="the sweep has 10000 points"):
        search.refuse_too_many(write(grid))
    search.refuse_too_many(write(f"{grid}random: {{n: 200}}"))
