"""A run whose worker is gone ends: nobody could cancel it any more, nor see its tools."""

import logging
import os
import signal
import threading
import time
from functools import cache

log = logging.getLogger(__name__)

# A worker names the run in the environment of the process that it starts.
_OF_A_WORKER = "PREFECT__FLOW_RUN_ID"
_POLL_S = 1.0


@cache
def watch() -> None:
    """From now on, end this process as if by SIGTERM when the worker that started it has ended.

    Prefect marks the run as crashed then; its tools end with it. A run that a person started goes
    on without its shell.
    """
    if _OF_A_WORKER in os.environ:
        threading.Thread(target=_wait, args=(os.getppid(),), name="orphans", daemon=True).start()


def _wait(worker: int) -> None:
    while os.getppid() == worker:
        time.sleep(_POLL_S)
    try:
        # Prefect's console raises SystemExit when nobody reads the worker's pipe any more.
        log.error("the worker that started this run is gone, and the run ends with it")
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
