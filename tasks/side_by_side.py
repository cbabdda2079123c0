"""The same for several boards at once: one that fails does not hold up the others."""

import contextvars
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from tasks.errors import OverlayflowError
from tasks.interruption import interrupt

T = TypeVar("T")


def side_by_side(calls: Mapping[str, Callable[[], T]]) -> dict[str, T | OverlayflowError]:
    """Runs all calls at once, each in a thread that knows the flow run it belongs to.

    Args:
        calls: by the name of the board.

    Returns:
        What each call returned, or how it failed.

    Ctrl-C and cancellation interrupt all calls, and are waited for with them.
    """
    threads: dict[str, int] = {}

    def attempt(name: str, call: Callable[[], T]) -> T | OverlayflowError:
        threads[name] = threading.get_ident()
        try:
            return call()
        except OverlayflowError as error:
            return error
        finally:
            del threads[name]

    with ThreadPoolExecutor(max_workers=max(1, len(calls))) as pool:
        futures = {
            name: pool.submit(contextvars.copy_context().run, attempt, name, call)
            for name, call in calls.items()
        }
        try:
            wait(futures.values())
        except BaseException:  # Ctrl-C, cancellation: the calls end, and give their boards back
            interrupt(threads.values())
            raise
        return {name: future.result() for name, future in futures.items()}
