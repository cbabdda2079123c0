"""Figures of one package on several boards, side by side."""

from collections.abc import Mapping

from tasks.core.errors import BoardsFailedError, OverlayflowError
from tasks.core.records.base import Record
from tasks.core.records.measurement import Run
from tasks.reporting import figures


class OnBoard(Record):
    """How a package did on one board.

    Attributes:
        run: with all figures; None if it failed.
        error: why it failed; empty if it did not.
    """

    board: str
    run: Run | None
    error: str = ""


class Comparison(Record):
    """How a package did on all boards."""

    boards: tuple[OnBoard, ...]


def compare(outcomes: Mapping[str, Run | OverlayflowError]) -> Comparison:
    """Return the outcomes by board's name, as a record."""
    return Comparison(
        boards=tuple(
            OnBoard(board=name, run=outcome)
            if isinstance(outcome, Run)
            else OnBoard(board=name, run=None, error=str(outcome))
            for name, outcome in outcomes.items()
        )
    )


def columns(comparison: Comparison) -> tuple[str, ...]:
    """Of the table: the figure's name, then a board each."""
    return ("figure", *(each.board for each in comparison.boards))


def rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Of the table; a board without figures has its error as verdict."""
    told = [
        dict(figures.rows(each.run.verdict))
        if each.run
        else {"verdict": f"FAILED: {each.error.splitlines()[0]}"}
        for each in comparison.boards
    ]
    labels = list(dict.fromkeys(label for each in told for label in each))
    return [(label, *(each.get(label, "") for each in told)) for label in labels]


def require_all(comparison: Comparison) -> Comparison:
    """The comparison itself, if no board failed.

    Raises:
        BoardsFailedError: one did; the error carries the comparison.
    """
    failed = [each for each in comparison.boards if each.run is None]
    if failed:
        raise BoardsFailedError(
            "\n".join(f"{each.board}: {each.error}" for each in failed),
            where=f"{len(failed)} of {len(comparison.boards)} boards",
            remedy="the others' figures are kept: overlayflow history",
            outcomes=comparison,
        )
    return comparison
