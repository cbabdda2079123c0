"""Keep each board's page up to date: an artifact, made anew by each check, lease and run.

What one flow knows of a board, the next one needs for the page: a Prefect variable for each board
keeps it, and one for each waiting run says that it waits. A page that cannot be made fails no run.
"""

import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.runtime import flow_run
from prefect.settings import PREFECT_UI_URL
from prefect.variables import Variable
from pydantic import ValidationError

from tasks.boards import lease
from tasks.boards.address import BoardAddress
from tasks.boards.check import BoardCheck
from tasks.boards.lease_answers import Lease
from tasks.core.errors import BoardError
from tasks.core.settings import store_url
from tasks.orchestration.artifacts import artifact_key, page_of
from tasks.reporting import board, history
from tasks.reporting.board import BoardNews

log = logging.getLogger(__name__)

RUNS = 30  # on the page of a board
NEWS, WAITS = "board-", "waits-"
FREE = "free"


def refresh(
    address: BoardAddress, *, state: str | None = None, check: BoardCheck | None = None
) -> None:
    """Make a board's page anew.

    Args:
        address: of the board.
        state: who has it, or that it is free; None leaves it as it was.
        check: what a check found; None leaves it as it was.
    """
    if not PREFECT_UI_URL.value():  # a temporary server has no pages
        return
    with _best_effort(address.name):
        key = artifact_key(address.name)
        news = _news(key, state, check)
        Variable.set(f"{NEWS}{key}", news.model_dump(mode="json"), overwrite=True)
        runs = history.runs(store_url(), history.Wanted(board=address.name), limit=RUNS)
        text = board.markdown(address, news, _waiting(key), runs, page_of)
        made = ArtifactCreate(
            type="markdown",
            key=f"board-{key}",
            description=f"Board {address.name}: {news.state}",
            data=text,
        )
        # By the client, and of no run: it is the board's page, and would hide the run's own report
        # among three of its kind.
        with get_client(sync_client=True) as client:
            client.create_artifact(made)


def refresh_as_found(address: BoardAddress) -> None:
    """Ask a board who has it, and make its page anew."""
    if PREFECT_UI_URL.value():
        refresh(address, state=state_of(address))


def state_of(address: BoardAddress) -> str:
    """Ask a board who has it, and say so."""
    try:
        found = lease.show(address)
    except BoardError as error:
        return f"not known: {error.what}"
    return FREE if found.free or found.lease is None else taken(found.lease)


def taken(by: Lease) -> str:
    """Say who has a board."""
    return f"leased: {by.words}"


@contextlib.contextmanager
def waiting(address: BoardAddress) -> Iterator[None]:
    """Show the current run among those that wait for the board, until it has the board."""
    name = f"{WAITS}{artifact_key(address.name)}-{flow_run.id}"
    shown = bool(PREFECT_UI_URL.value()) and flow_run.id is not None
    if shown:
        with _best_effort(address.name):
            Variable.set(name, {"run": str(flow_run.id)}, overwrite=True)
        refresh(address)
    try:
        yield
    finally:
        if shown:
            with _best_effort(address.name):
                Variable.unset(name)


def _news(key: str, state: str | None, check: BoardCheck | None) -> BoardNews:
    """Return what is known of a board now."""
    try:
        news = BoardNews.model_validate(Variable.get(f"{NEWS}{key}", {}))
    except ValidationError:  # of another version
        news = BoardNews()
    changes = {} if state is None else {"state": state}
    if check is not None:
        failed = [f"{each.name}: {each.detail}" for each in check.findings if not each.ok]
        changes["health"] = f"FAILED: {'; '.join(failed)}" if failed else "ok"
        changes["checked"] = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return news.model_copy(update=changes)


def _waiting(key: str) -> list[str]:
    """Return the names of the runs that wait, without those that ended otherwise."""
    with get_client(sync_client=True) as client:
        marks = [
            each
            for each in client.read_variables()
            if each.name.startswith(f"{WAITS}{key}-") and isinstance(each.value, dict)
        ]
        ids = [str(each.value["run"]) for each in marks if isinstance(each.value, dict)]
        return _unfinished(client, ids) if ids else []


def _unfinished(client: SyncPrefectClient, ids: list[str]) -> list[str]:
    wanted = FlowRunFilter(id=FlowRunFilterId.model_validate({"any_": ids}))
    found = client.read_flow_runs(flow_run_filter=wanted)
    return [each.name for each in found if each.state is None or not each.state.is_final()]


@contextlib.contextmanager
def _best_effort(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  no page is worth a run
        log.warning("the page of board %s was not refreshed: %s", name, error)
