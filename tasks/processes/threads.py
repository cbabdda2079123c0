"""Worker threads to which Ctrl-C, cancellation and failures are passed on."""

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
    """Raise KeyboardInterrupt in threads, as soon as each next executes Python code.

    Args:
        threads: the threads' `threading.get_ident()`.
    """
    for thread in list(threads):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt)
        )


def both(one: Callable[[], T], other: Callable[[], U]) -> tuple[T, U]:
    """Make two calls concurrently, each in a thread, and return their results.

    The first failure is raised and interrupts the other call; Ctrl-C interrupts both.
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
    """Make all calls concurrently, each in a thread that inherits the context of its flow run.

    Args:
        calls: one call per board, by the board's name.

    Returns:
        The result of each call, or the error it raised.

    Ctrl-C and cancellation interrupt all calls and wait for them to end.
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
        except BaseException:  # Ctrl-C, cancellation: the calls end and release their boards
            interrupt(threads.values())
            raise
        return {name: future.result() for name, future in futures.items()}
