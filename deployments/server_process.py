"""The process of a Prefect server, in which a thread of its own collects Python's garbage.

`python -m deployments.server_process MODULE ARGUMENT...` is `python -m MODULE ARGUMENT...`.

A request whose client goes away leaves a cursor of SQLite in a reference cycle. To free it takes
its connection's mutex, which a statement keeps while it waits for SQLite's write lock. Python
collects wherever objects are made, so in the event loop's thread: the loop waited for the
statement, the statement for a transaction, and the transaction for the loop, until the statement
gave up after 60 s. Meanwhile the server answered nobody.
"""

import gc
import itertools
import runpy
import sys
import threading
import time

YOUNG, ALL = 1, 2  # generations; see gc.collect
EVERY_S = 1
ALL_EVERY = 60


def main() -> None:
    """Run a module as if Python had been started with it."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _collect() -> None:
    for count in itertools.count(1):
        time.sleep(EVERY_S)
        gc.collect(YOUNG if count % ALL_EVERY else ALL)


if __name__ == "__main__":
    main()
