"""Threads that work for another one: Ctrl-C, cancellation and failure are passed on to them."""

import ctypes
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

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
