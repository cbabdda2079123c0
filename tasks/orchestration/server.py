"""Check that the Prefect server answers, before and during long operations."""

import httpx
from prefect.settings import PREFECT_API_URL

from tasks.core.errors import ServerError

ANSWER_S = 10.0


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
