"""A sweep under way: shared builds, failures, going on, and what ends it."""

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet

from tasks.core.errors import BoardUnreachableError, GateError, ServerError, StoreError
from tasks.core.records.measurement import Run
from tasks.sweeps import report as reports
from tasks.sweeps import results, schedule
from tasks.sweeps.file import SweepFile
from tasks.sweeps.points import Point, expand
from tasks.sweeps.session import Session
from tests.tasks.sweeps.conftest import Write, measured

if TYPE_CHECKING:
    from tasks.toolchains.base import Progress

GRID = "workers: 2\naxes:\n  words: [float32, packed]\n  clock_period_ns: [8, 10, 20]\n"

MakeSession = Callable[[SweepFile], Session]


@pytest.fixture
def session(tmp_path: Path) -> MakeSession:
    def make(file: SweepFile) -> Session:
        return Session(file, str(tmp_path / "store"), tmp_path / "report", lambda: None)

    return make


@pytest.fixture
def keeping(tmp_path: Path) -> Callable[[Point], Run]:
    """Runs a point as the flow does: what it found is kept in the store."""

    def run(point: Point) -> Run:
        run = measured(point)
        results.keep(str(tmp_path / "store"), point, run)
        return run

    return run


def states(session: Session) -> list[str]:
    return [each.state for each in session.results.values()]


def test_every_point_runs_once_and_a_second_sweep_starts_nothing(
    write: Write, session: MakeSession, keeping: Callable[[Point], Run]
) -> None:
    first = session(write(GRID))
    first.run(keeping)
    assert states(first) == ["done"] * 6
    second = session(write(GRID))
    second.run(lambda point: pytest.fail(f"{point.name} was started again"))
    assert states(second) == ["stored"] * 6
    assert [each.figures for each in second.results.values()] == [
        each.figures for each in first.results.values()
    ]


def test_a_longer_axis_runs_only_what_is_new(
    write: Write, session: MakeSession, keeping: Callable[[Point], Run]
) -> None:
    session(write("axes: {clock_period_ns: [8, 10]}")).run(keeping)
    longer = session(write("axes: {clock_period_ns: [8, 10, 20]}"))
    longer.run(keeping)
    assert states(longer) == ["stored", "stored", "done"]


def test_a_failed_point_does_not_stop_the_others_and_runs_again_when_asked(
    write: Write, session: MakeSession, keeping: Callable[[Point], Run]
) -> None:
    def run(point: Point) -> Run:
        if point.conversion.clock_period_ns == 10:
            raise GateError("gate failed: too slow", where="clock built")
        return keeping(point)

    first = session(write(GRID))
    first.run(run)
    assert sorted(states(first)) == ["done"] * 4 + ["failed"] * 2
    assert first.ended_by is None
    messages = {each.message for each in first.results.values() if each.state == "failed"}
    assert messages == {"clock built: gate failed: too slow"}
    again = session(write(GRID))
    again.run(keeping)
    assert sorted(states(again)) == ["done"] * 2 + ["stored"] * 4


def test_a_board_that_is_gone_fails_its_points_only(
    write: Write, session: MakeSession, keeping: Callable[[Point], Run]
) -> None:
    def run(point: Point) -> Run:
        if point.board == "gone":
            raise BoardUnreachableError("no route", where="board gone")
        return keeping(point)

    sweep = session(write("axes: {board: [gone, twin], words: [float32, packed]}"))
    sweep.run(run)
    assert states(sweep) == ["failed", "failed", "done", "done"]


@pytest.mark.parametrize(
    "error",
    [
        StoreError("No space left on device", where="store", remedy="free some space"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        ServerError("does not answer"),
    ],
)
def test_what_every_point_would_stumble_over_ends_the_sweep_and_loses_nothing(
    write: Write, session: MakeSession, keeping: Callable[[Point], Run], error: Exception
) -> None:
    ran: list[str] = []

    def run(point: Point) -> Run:
        ran.append(point.name)
        if len(ran) > 1:
            raise error
        return keeping(point)

    first = session(write(GRID.replace("workers: 2", "workers: 1")))
    first.run(run)
    assert len(ran) == 2
    assert sorted(states(first)) == ["done"] + ["not run"] * 5
    assert isinstance(first.ended_by, StoreError | ServerError)
    again = session(write(GRID))
    again.run(keeping)
    assert sorted(states(again)) == ["done"] * 5 + ["stored"]


def test_a_server_that_went_away_is_found_behind_an_error_nobody_foresaw(
    write: Write, tmp_path: Path
) -> None:
    def gone() -> None:
        raise ServerError("does not answer")

    def run(_: Point) -> Run:
        raise ConnectionResetError("peer")

    sweep = Session(write(GRID), str(tmp_path / "store"), tmp_path, gone)
    sweep.run(run)
    assert isinstance(sweep.ended_by, ServerError)


def test_a_half_written_result_is_none(
    write: Write, session: MakeSession, keeping: Callable[[Point], Run], tmp_path: Path
) -> None:
    session(write("points: [{words: packed}]")).run(keeping)
    (kept,) = (tmp_path / "store" / "points").iterdir()
    kept.write_text(kept.read_text()[:100])
    again = session(write("points: [{words: packed}]"))
    again.run(keeping)
    assert states(again) == ["done"]


def test_points_that_cannot_fit_are_not_started(
    write: Write, session: MakeSession, keeping: Callable[[Point], Run]
) -> None:
    sweep = session(write("axes: {words: [packed]}\nprune_above: 0.01\n"))
    sweep.run(keeping)
    (result,) = sweep.results.values()
    assert result.state == "pruned"
    assert "times the 53,200 of a pynq-z2" in result.message
    assert result.estimate is not None


def test_points_that_share_a_build_wait_only_when_nothing_else_is_to_do(write: Write) -> None:
    points = expand(write("axes: {words: [float32, packed], board: [a, b]}"))
    busy: list[str] = []
    together: list[set[str]] = []
    lock = threading.Lock()

    def run(point: Point) -> None:
        with lock:
            busy.append(point.build)
            together.append(set(busy) if len(set(busy)) == len(busy) else set())
        time.sleep(0.05)
        with lock:
            busy.remove(point.build)

    schedule.run_all(points, run, limit=2, converted=lambda _: False, stop=threading.Event())
    assert together[1] == {points[0].build, points[2].build}


def test_an_interrupt_reaches_the_points_that_run(write: Write) -> None:
    points = expand(write(GRID))
    interrupted: list[str] = []

    def run(point: Point) -> None:
        try:
            for _ in range(200):
                time.sleep(0.05)
        except KeyboardInterrupt:
            interrupted.append(point.name)
            raise

    def interrupt(_: Point) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        schedule.run_all(points, run, limit=2, converted=interrupt, stop=threading.Event())
    assert interrupted == [points[0].name]


def test_the_report_shows_the_front_estimates_beside_truth_and_why(
    write: Write, session: MakeSession, tmp_path: Path
) -> None:
    figures = {8: (0.9, 1000), 10: (0.95, 2000), 20: (0.9, 3000)}

    def run(point: Point) -> Run:
        accuracy, lut = figures[int(point.conversion.clock_period_ns)]
        return measured(point, accuracy=accuracy, lut=lut)

    sweep = session(write("axes: {clock_period_ns: [8, 10, 20]}"))
    sweep.run(run)
    report = sweep.report("run-id")
    assert report.front == ("clock_period_ns=8", "clock_period_ns=10")
    text = reports.write(report)
    assert "3 points: 3 done" in text
    assert "](data:image/png;base64," in text
    assert len(text) < 100_000
    directory = tmp_path / "report"
    assert {path.name for path in directory.iterdir()} == {
        "report.html", "report.md", "points.csv", "points.parquet", "pareto.png", "sweep.json",
    }  # fmt: skip
    header, *lines = (directory / "points.csv").read_text().splitlines()
    assert "LUT,LUT estimated" in header
    assert len(lines) == 3
    table = parquet.read_table(directory / "points.parquet")
    assert table.to_pylist() == results.rows(report)
    assert results.SweepReport.model_validate_json((directory / "sweep.json").read_text()) == report


def test_a_setting_that_is_a_number_here_and_a_word_there_is_text_in_parquet(
    write: Write, session: MakeSession, tmp_path: Path
) -> None:
    sweep = session(write("points: [{board: 7}, {board: twin, clock_period_ns: 12}]"))
    sweep.run(measured)
    reports.write(sweep.report("run-id"))
    table = parquet.read_table(tmp_path / "report" / "points.parquet")
    assert table.column("board").to_pylist() == ["7", "twin"]
    assert table.column("clock_period_ns").to_pylist() == [None, 12.0]


def test_the_progress_counts_points_that_are_done_failed_and_running(
    write: Write, tmp_path: Path
) -> None:
    told: list[Progress] = []
    file = write("workers: 1\naxes: {clock_period_ns: [8, 10, 20]}")
    sweep = Session(file, str(tmp_path / "store"), tmp_path, lambda: None, told.append)

    def run(point: Point) -> Run:
        if point.conversion.clock_period_ns == 10:
            raise GateError("too slow")
        return measured(point)

    sweep.run(run)
    assert [(each.phase, round(each.fraction, 2)) for each in told] == [
        ("0 of 3 points done, 1 running", 0.0),
        ("1 of 3 points done, 0 running", 0.33),
        ("1 of 3 points done, 1 running", 0.33),
        ("1 of 3 points done, 1 failed, 0 running", 0.67),
        ("1 of 3 points done, 1 failed, 1 running", 0.67),
        ("2 of 3 points done, 1 failed, 0 running", 1.0),
    ]
    assert told[0].left_s is None
    assert told[-1].left_s == 0
