"""Set up how our own code appears in Prefect's run logs."""

import logging

from tasks.core.errors import OverlayflowError

PREFECT_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


def set_up() -> None:
    """Send plain code's log messages to the run's log, and show our errors without a traceback.

    Every flow calls this before its first task; further calls have no effect.
    """
    # Prefect's level may ask for more detail, but never for less than what tells a run's story.
    level = logging.getLogger("prefect.extra").level
    logging.getLogger("tasks").setLevel(min(logging.INFO, level))
    for name in PREFECT_LOGGERS:
        logging.getLogger(name).addFilter(without_traceback)


def without_traceback(record: logging.LogRecord) -> bool:
    """Replace the traceback of our own errors by their message, which says all that is needed."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, OverlayflowError):
        record.msg, record.args, record.exc_info = str(error), (), None
    return True
