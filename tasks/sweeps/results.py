"""Results of a sweep's points: kept in the store, shown as tables, compared by Pareto front."""

import contextlib
import csv
import importlib.util
import io
from collections.abc import Sequence
from typing import Literal

from pydantic import ValidationError

from tasks.core.records.base import Record
from tasks.core.records.measurement import KeyFigures, Run
from tasks.reporting.key_figures import Cell, cells
from tasks.store.files import Files
from tasks.sweeps.estimate import Estimate
from tasks.sweeps.points import Point

PointState = Literal["done", "stored", "failed", "pruned", "not run"]

POINTS = "points"
# Figures of the Pareto front, and whether more is better.
FRONT = {
    "accuracy": True,
    "latency_us": False,
    "inferences_per_s": True,
    "lut": False,
    "dsp": False,
    "bram_36k": False,
}


class PointResult(Record):
    """The result of a point.

    Attributes:
        state: measured in this sweep, read from the store, failed, pruned because of its estimate,
            or not run because the sweep ended early.
        message: why it failed or was pruned.
        estimate: utilisation estimated before any tool started.
        seconds: time that the point took in this sweep.
        flow_run_id: id of the flow run with its figures.
        flow_run_name: name of that flow run.
    """

    point: Point
    state: PointState
    message: str = ""
    estimate: Estimate | None = None
    figures: KeyFigures | None = None
    seconds: float = 0.0
    flow_run_id: str | None = None
    flow_run_name: str | None = None
    passed: bool | None = None


class SweepReport(Record):
    """The results of a sweep.

    Attributes:
        name: name of the sweep.
        results: results of every point, in the order of the sweep file.
        front: names of the points on the Pareto front.
        flow_run_id: id of the sweep's own flow run.
        directory: directory of the sweep's files.
    """

    name: str
    results: tuple[PointResult, ...]
    front: tuple[str, ...]
    flow_run_id: str
    directory: str

    def count(self, state: PointState) -> int:
        """Return the number of points in a state."""
        return sum(each.state == state for each in self.results)


def keep(store_url: str, point: Point, run: Run) -> None:
    """Keep a point's run under the point's digest.

    Raises:
        StoreError: the store cannot be written.
    """
    Files(store_url).write(_path(point), run.model_dump_json().encode())


def find(store_url: str, points: Sequence[Point]) -> dict[str, Run]:
    """Return the kept runs by the digest of their point; skip records of other versions.

    Raises:
        StoreError: the store cannot be reached.
    """
    files = Files(store_url)
    there = set(files.names(POINTS))
    wanted = {_path(each): each.digest for each in points if f"{each.digest}.json" in there}
    found = {}
    for path, content in files.read_each(list(wanted)):
        # One of another version, or that was just removed: the point runs again.
        with contextlib.suppress(ValidationError):
            found[wanted[path]] = Run.model_validate_json(content or b"")
    return found


def _path(point: Point) -> str:
    return f"{POINTS}/{point.digest}.json"


def result(
    point: Point, state: PointState, run: Run, estimate: Estimate | None, seconds: float = 0.0
) -> PointResult:
    """Return the result of a point that has a run."""
    return PointResult(
        point=point,
        state=state,
        estimate=estimate,
        figures=run.figures,
        seconds=seconds,
        flow_run_id=run.flow_run_id,
        flow_run_name=run.flow_run_name,
        passed=run.verdict.passed,
    )


def front(results: Sequence[PointResult]) -> tuple[str, ...]:
    """Return the names of the points on the Pareto front: accuracy, latency, rate, resources."""
    costs = {}
    for each in results:
        if each.figures is not None:
            found = [getattr(each.figures, name) for name in FRONT]
            if None not in found:
                costs[each.point.name] = tuple(
                    -value if more else value
                    for value, more in zip(found, FRONT.values(), strict=True)
                )
    return tuple(
        name
        for name, cost in costs.items()
        if not any(_beats(other, cost) for other in costs.values())
    )


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def rows(report: SweepReport) -> list[dict[str, Cell]]:
    """Return one row per point: its settings, figures and estimates; None if not known."""
    varied = dict.fromkeys(name for each in report.results for name in each.point.varied)
    table = []
    for each in report.results:
        found = each.figures
        settings = {name: _cell(each.point.varied.get(name)) for name in varied}
        table.append(
            {
                "point": each.point.name,
                "state": each.state,
                "gates": {True: "passed", False: "FAILED", None: None}[each.passed],
                "pareto": "yes" if each.point.name in report.front else None,
                **_beside(cells(each.figures), each.estimate),
                "simulated": ("yes" if found.simulated else "no") if found else None,
                "seconds": round(each.seconds, 1),
                "message": each.message or None,
                **settings,
                "digest": each.point.digest,
                "flow run": each.flow_run_id,
            }
        )
    return table


def _beside(measured: dict[str, Cell], guess: Estimate | None) -> dict[str, Cell]:
    """Put what was estimated of a resource beside what was counted."""
    estimated = {"LUT": guess.lut, "DSP": guess.dsp} if guess else {"LUT": None, "DSP": None}
    row: dict[str, Cell] = {}
    for column, value in measured.items():
        row[column] = value
        if column in estimated:
            row[f"{column} estimated"] = estimated[column]
    return row


def _cell(value: object) -> Cell:
    return value if isinstance(value, str | int | float) or value is None else str(value)


def as_csv(report: SweepReport) -> str:
    """Return the rows as CSV; unknown values are empty."""
    table = rows(report)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def as_parquet(report: SweepReport) -> bytes | None:
    """Return the rows as Parquet, or None if pyarrow (extra `parquet`) is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        return None
    import pyarrow as pa
    from pyarrow import parquet

    table = rows(report)
    columns = {name: _one_type([row[name] for row in table]) for name in table[0]}
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _one_type(cells: Sequence[str | float | None]) -> list[str | float | None]:
    """Give all cells of a column the same type, since a setting may mix numbers and words."""
    if any(isinstance(cell, str) for cell in cells):
        return [None if cell is None else str(cell) for cell in cells]
    return list(cells)
