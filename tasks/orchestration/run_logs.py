"""How our own code shows up in Prefect's run logs."""

import logging

from tasks.core.errors import OverlayflowError

PREFECT_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


def set_up() -> None:
    """Log progress of plain code into the run, and our errors without a traceback.

    Called by every flow before its first task; calling it again changes nothing.
    """
    logging.getLogger("tasks").setLevel(logging.INFO)
    for name in PREFECT_LOGGERS:
        logging.getLogger(name).addFilter(without_traceback)


def without_traceback(record: logging.LogRecord) -> bool:
    """Word an error of ours as its own message: it says what, where and what to do."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, OverlayflowError):
        record.msg, record.args, record.exc_info = str(error), (), None
    return True
