"""Compare the figures of one package on several boards."""

from collections.abc import Mapping

from tasks.core.errors import BoardsFailedError, OverlayflowError
from tasks.core.records.base import Record
from tasks.core.records.measurement import Run
from tasks.reporting import figures


class OnBoard(Record):
    """Result of a package on one board.

    Attributes:
        run: the run with all figures; None if it failed.
        error: why it failed; empty if it did not.
    """

    board: str
    run: Run | None
    error: str = ""


class Comparison(Record):
    """Results of a package on all boards."""

    boards: tuple[OnBoard, ...]


def compare(outcomes: Mapping[str, Run | OverlayflowError]) -> Comparison:
    """Return a record of the outcomes, which are given by board name."""
    return Comparison(
        boards=tuple(
            OnBoard(board=name, run=outcome)
            if isinstance(outcome, Run)
            else OnBoard(board=name, run=None, error=str(outcome))
            for name, outcome in outcomes.items()
        )
    )


def columns(comparison: Comparison) -> tuple[str, ...]:
    """Return the table's columns: the figure's name, then one column per board."""
    return ("figure", *(each.board for each in comparison.boards))


def rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the table's rows; a board without figures has its error as verdict."""
    by_board = [
        dict(figures.rows(each.run.verdict))
        if each.run
        else {"verdict": f"FAILED: {each.error.splitlines()[0]}"}
        for each in comparison.boards
    ]
    labels = list(dict.fromkeys(label for each in by_board for label in each))
    return [(label, *(each.get(label, "") for each in by_board)) for label in labels]


def require_all(comparison: Comparison) -> Comparison:
    """Return the comparison if no board failed.

    Raises:
        BoardsFailedError: a board failed; the error carries the comparison.
    """
    failed = [each for each in comparison.boards if each.run is None]
    if failed:
        raise BoardsFailedError(
            "\n".join(f"{each.board}: {each.error}" for each in failed),
            where=f"{len(failed)} of {len(comparison.boards)} boards",
            remedy="see the figures of the other boards with `overlayflow history`",
            outcomes=comparison,
        )
    return comparison
