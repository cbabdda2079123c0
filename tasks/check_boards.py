"""Check several boards in parallel, for the command line and the UI."""

import contextlib
from collections.abc import Sequence
from functools import partial

from prefect import task
from prefect.artifacts import create_table_artifact

from tasks.boards.check import BoardCheck, check
from tasks.core.errors import BoardError, BoardsFailedError
from tasks.core.requirements import Finding
from tasks.orchestration import board_block, board_page
from tasks.orchestration.caching import open_store
from tasks.processes.threads import side_by_side
from tasks.toolchains.open import loopback


@task(name="check board", task_run_name="check {name}")
def check_board(name: str, overlay: bool = False) -> BoardCheck:
    """Check one board from the outside in; a check that fails does not fail the task."""
    return check_one(name, overlay=overlay)


def check_one(name: str, *, overlay: bool) -> BoardCheck:
    """Check the board of this name."""
    known_good = partial(loopback.known_good, open_store()) if overlay else None
    try:
        return check(board_block.address(name), known_good=known_good)
    except BoardError as error:
        found = Finding(name="reachable", ok=False, detail=error.what, remedy=error.remedy)
        return BoardCheck(board=name, kind="", findings=(found,))


def check_all(names: Sequence[str], *, overlay: bool, as_tasks: bool) -> tuple[BoardCheck, ...]:
    """Check all these boards, or all that can be used if none is named.

    Args:
        names: names of boards.
        overlay: also load a known-good design, which replaces the design on the board.
        as_tasks: make each check a task of the current flow run.
    """
    one = check_board if as_tasks else check_one
    chosen = names or [each.name for each in board_block.addresses()]
    outcomes = side_by_side({name: partial(one, name, overlay=overlay) for name in chosen})
    return tuple(outcome for outcome in outcomes.values() if isinstance(outcome, BoardCheck))


def publish_table(checks: Sequence[BoardCheck]) -> None:
    """Publish a table with one row per board and one column per check."""
    questions = list(dict.fromkeys(found.name for each in checks for found in each.findings))
    table = []
    for each in checks:
        cells = {found.name: _cell(found) for found in each.findings}
        row = {name: cells.get(name, "not checked") for name in questions}
        table.append({"board": each.board, "kind": each.kind, **row})
    create_table_artifact(table, key="boards-check", description="State of each board")
    for each in checks:
        with contextlib.suppress(BoardError):  # it is not there, or no board of ours
            address = board_block.address(each.board)
            board_page.refresh(address, state=board_page.state_of(address), check=each)


def require_all(checks: Sequence[BoardCheck]) -> tuple[BoardCheck, ...]:
    """Return the checks if all boards can be used.

    Raises:
        BoardsFailedError: at least one board cannot be used.
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
