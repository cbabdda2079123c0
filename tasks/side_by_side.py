"""The same for several boards at once: one that fails does not hold up the others."""

import contextvars
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tasks.errors import OverlayflowError

T = TypeVar("T")


def side_by_side(calls: Mapping[str, Callable[[], T]]) -> dict[str, T | OverlayflowError]:
    """Runs all calls at once, each in a thread that knows the flow run it belongs to.

    Args:
        calls: by the name of the board.

    Returns:
        What each call returned, or how it failed.
    """

    def attempt(call: Callable[[], T]) -> T | OverlayflowError:
        try:
            return call()
        except OverlayflowError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(1, len(calls))) as pool:
        futures = {
            name: pool.submit(contextvars.copy_context().run, attempt, call)
            for name, call in calls.items()
        }
        return {name: future.result() for name, future in futures.items()}
