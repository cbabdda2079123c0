"""End a run whose worker is gone, because nobody could cancel it or see its tools any longer."""

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
    """Start to watch the worker that started this process; if it ends, end this process by SIGTERM.

    Prefect then marks the run as crashed, and its tools end with it. A run that was started by a
    person continues without its shell.
    """
    if _OF_A_WORKER in os.environ:
        threading.Thread(target=_wait, args=(os.getppid(),), name="orphans", daemon=True).start()


def _wait(worker: int) -> None:
    while os.getppid() == worker:
        time.sleep(_POLL_S)
    try:
        # Prefect's console handler raises SystemExit once nobody reads the worker's pipe.
        log.error("the worker that started this run is gone; ending the run")
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
