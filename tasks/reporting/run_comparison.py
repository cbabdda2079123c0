"""Compare runs: the settings in which they differ, then their figures with the change of each."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tasks.core.records.base import spelt
from tasks.core.records.measurement import Run
from tasks.reporting import page
from tasks.reporting.key_figures import COLUMNS, SHARES, Cell, cells, text

# Inputs and tools are told apart by the beginning of their digest.
_SHOWN_DIGITS = 12


class Change(NamedTuple):
    """How a figure differs from the first run's.

    Attributes:
        text: the difference; empty for the first run, or if there is none.
        is_better: None where neither direction is.
    """

    text: str = ""
    is_better: bool | None = None


class Row(NamedTuple):
    """A setting or figure of each run, as text."""

    label: str
    values: tuple[str, ...]
    changes: tuple[Change, ...]


class Compared(NamedTuple):
    """Runs side by side.

    Attributes:
        simulated: names of the runs that were measured on a twin.
    """

    runs: tuple[Run, ...]
    settings: tuple[Row, ...]
    figures: tuple[Row, ...]
    simulated: tuple[str, ...]


def compare(runs: Sequence[Run]) -> Compared:
    """Compare runs with the first of them."""
    return Compared(
        runs=tuple(runs),
        settings=tuple(_settings(runs)),
        figures=tuple(_figures(runs)),
        simulated=tuple(
            each.flow_run_id[:8] for each in runs if each.verdict.measurement.simulated
        ),
    )


def as_page(compared: Compared) -> str:
    """Return the comparison as a self-contained page."""
    title = ", ".join(each.flow_run_id[:8] for each in compared.runs)
    return page.render("compare.html", f"Runs {title}", compared=compared, zip=zip)


def record(compared: Compared) -> dict[str, object]:
    """Return the comparison for programs: ids, settings that differ and figures of each run."""
    return {
        "runs": [each.flow_run_id for each in compared.runs],
        "settings": {row.label: row.values for row in compared.settings},
        "figures": [each.figures for each in compared.runs],
    }


def _settings(runs: Sequence[Run]) -> Iterator[Row]:
    found = [dict(_inputs(each)) for each in runs]
    for label in dict.fromkeys(name for each in found for name in each):
        values = tuple(each.get(label, "") for each in found)
        if len(set(values)) > 1:
            yield Row(label, values, tuple(Change() for _ in values))


def _inputs(run: Run) -> Iterator[tuple[str, str]]:
    """Yield everything that a run was made from."""
    deployment = run.verdict.measurement.deployment
    manifest = deployment.package.manifest
    yield "model", f"{manifest.model_name} {manifest.model_digest[:_SHOWN_DIGITS]}"
    yield "test data", (manifest.data_digest or "")[:_SHOWN_DIGITS]
    yield "board", f"{deployment.board} ({deployment.board_kind})"
    yield "target", manifest.target
    if manifest.settings is not None:
        for name, value in manifest.settings:
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            yield spelt(name), "" if value in ({}, "") else shown
    for tool, version in sorted(manifest.versions.items()):
        yield f"version of {tool}", version


def _figures(runs: Sequence[Run]) -> Iterator[Row]:
    verdicts = tuple("passed" if each.verdict.passed else "FAILED" for each in runs)
    yield Row("verdict", verdicts, tuple(Change() for _ in runs))
    by_run = [cells(each.figures) for each in runs]
    for column, more_is_better in COLUMNS.values():
        values = [each[column] for each in by_run]
        if any(value is not None for value in values):
            yield Row(
                column,
                tuple(text(column, value) for value in values),
                tuple(_change(column, values[0], value, more_is_better) for value in values),
            )


def _change(column: str, first: Cell, value: Cell, more_is_better: bool | None) -> Change:
    """Return a share's change in percentage points, another figure's in percent."""
    if not isinstance(first, int | float) or not isinstance(value, int | float) or value == first:
        return Change()
    is_better = None if more_is_better is None else (value > first) == more_is_better
    if column in SHARES:
        return Change(f"{100 * (value - first):+.2f} points", is_better)
    if not first:
        return Change(f"{value - first:+,.4g}", is_better)
    return Change(f"{value / first - 1:+.1%}", is_better)
