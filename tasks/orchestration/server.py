"""Whether the Prefect server answers, asked before and during what takes hours."""

import httpx
from prefect.settings import PREFECT_API_URL

from tasks.core.errors import ServerError

ANSWER_S = 10.0


def require() -> None:
    """Return if the server answers, or if Prefect starts one of its own for this process.

    Raises:
        ServerError: there is an address, but nobody answers there.
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
            remedy="start it (overlayflow up, or prefect server start), then ask again: finished "
            "steps and points are kept",
        ) from error
