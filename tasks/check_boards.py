"""Checks of several boards, side by side, for people and for the UI."""

from collections.abc import Sequence
from functools import partial

from prefect import task
from prefect.artifacts import create_table_artifact

from tasks.boards.check import BoardCheck, check
from tasks.core.errors import BoardError, BoardsFailedError
from tasks.core.requirements import Finding
from tasks.orchestration import board_block
from tasks.orchestration.caching import open_store
from tasks.processes.threads import side_by_side
from tasks.toolchains.open import loopback


@task(name="check board", task_run_name="check {name}")
def check_board(name: str, overlay: bool = False) -> BoardCheck:
    """Look at one board from outside to inside; a board that fails is no failed task."""
    return check_one(name, overlay=overlay)


def check_one(name: str, *, overlay: bool) -> BoardCheck:
    """What is found of the board of that name."""
    known_good = partial(loopback.known_good, open_store()) if overlay else None
    try:
        return check(board_block.address(name), known_good=known_good)
    except BoardError as error:
        found = Finding(name="reachable", ok=False, detail=error.what, remedy=error.remedy)
        return BoardCheck(board=name, kind="", findings=(found,))


def check_all(names: Sequence[str], *, overlay: bool, as_tasks: bool) -> tuple[BoardCheck, ...]:
    """What is found of all these boards; of all that can be used if none is named.

    Args:
        names: of boards.
        overlay: also load a design that is known to be good; it replaces what is loaded.
        as_tasks: in a flow run, one task each.
    """
    one = check_board if as_tasks else check_one
    chosen = names or [each.name for each in board_block.addresses()]
    outcomes = side_by_side({name: partial(one, name, overlay=overlay) for name in chosen})
    return tuple(outcome for outcome in outcomes.values() if isinstance(outcome, BoardCheck))


def publish_table(checks: Sequence[BoardCheck]) -> None:
    """One row a board, one column a question."""
    questions = list(dict.fromkeys(found.name for each in checks for found in each.findings))
    table = []
    for each in checks:
        told = {found.name: _cell(found) for found in each.findings}
        row = {name: told.get(name, "") for name in questions}
        table.append({"board": each.board, "kind": each.kind, **row})
    create_table_artifact(table, key="boards-check", description="what was found of each board")


def require_all(checks: Sequence[BoardCheck]) -> tuple[BoardCheck, ...]:
    """The checks themselves, if all boards can be used.

    Raises:
        BoardsFailedError: one cannot.
    """
    bad = [each for each in checks if not each.ok]
    if bad:
        raise BoardsFailedError(
            "; ".join(f"{each.board}: {_first_failure(each)}" for each in bad),
            where=f"{len(bad)} of {len(checks)} boards",
            remedy="overlayflow boards check",
            outcomes=tuple(checks),
        )
    return tuple(checks)


def _cell(found: Finding) -> str:
    return found.detail if found.ok else f"FAILED: {found.detail}"


def _first_failure(check: BoardCheck) -> str:
    failed = next(found for found in check.findings if not found.ok)
    return f"{failed.name}: {failed.detail}"
