"""Threads that work for another one: Ctrl-C, cancellation and failure are passed on to them."""

import contextvars
import ctypes
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from typing import TypeVar

from tasks.core.errors import OverlayflowError

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")


def interrupt(threads: Iterable[int]) -> None:
    """Raise KeyboardInterrupt in threads, as soon as each runs Python again.

    Args:
        threads: their `threading.get_ident()`.
    """
    for thread in list(threads):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt)
        )


def both(one: Callable[[], T], other: Callable[[], U]) -> tuple[T, U]:
    """Make two calls at once, each in a thread, and return their results.

    The first that fails is raised, and interrupts the other; Ctrl-C interrupts both.
    """
    threads: set[int] = set()

    def attempt(call: Callable[[], V]) -> V:
        threads.add(threading.get_ident())
        try:
            return call()
        finally:
            threads.remove(threading.get_ident())

    with ThreadPoolExecutor(2) as pool:
        futures = pool.submit(attempt, one), pool.submit(attempt, other)
        try:
            for ended in as_completed(futures):
                ended.result()
        finally:
            interrupt(threads)
    return futures[0].result(), futures[1].result()


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
