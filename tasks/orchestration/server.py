"""Check that the Prefect server answers, before and during long operations."""

import logging
from collections.abc import Callable
from typing import TypeVar

import httpx
from prefect.settings import PREFECT_API_URL

from tasks.core.errors import ServerError, causes

log = logging.getLogger(__name__)

# One that is gone refuses at once; one over SQLite may answer nobody while a statement waits for
# the write lock, which Prefect lets it do for 60 s (deployments/server_process.py).
ANSWER_S = 90.0
BUSY = {httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE}

P = TypeVar("P")
R = TypeVar("R")


def require() -> None:
    """Check that the server answers, unless Prefect starts a temporary one for this process.

    Raises:
        ServerError: a server is configured, but it does not answer.
    """
    url = PREFECT_API_URL.value()
    if not url:
        return
    try:
        httpx.get(f"{url}/health", timeout=ANSWER_S).raise_for_status()
    except httpx.HTTPError as error:
        raise ServerError(
            f"the Prefect server does not answer: {error}",
            where=str(url),
            remedy="start it (overlayflow up, or prefect server start), then run the command "
            "again; finished steps and points are kept",
        ) from error


def is_busy(error: BaseException) -> bool:
    """Return whether an error comes from a server that was too busy, also for Prefect's retries."""
    return any(
        isinstance(each, httpx.HTTPStatusError) and each.response.status_code in BUSY
        for each in causes(error)
    )


def again_if_busy(run: Callable[[P], R]) -> Callable[[P], R]:
    """Return a function that runs once more if the server was too busy; steps are stored."""

    def attempt(argument: P) -> R:
        try:
            return run(argument)
        except Exception as error:
            if not is_busy(error):
                raise
            log.warning("the Prefect server was too busy; trying once more: %s", error)
        return run(argument)

    return attempt
