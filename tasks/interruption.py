"""Ctrl-C and cancellation reach the main thread only: passed on to those that work for it."""

import ctypes
from collections.abc import Iterable


def interrupt(threads: Iterable[int]) -> None:
    """Raise KeyboardInterrupt in threads, as soon as each runs Python again.

    Args:
        threads: their `threading.get_ident()`.
    """
    for thread in list(threads):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt)
        )
