"""Record how long each step of a run took, as the steps finish.

Prefect's server learns of a task's end seconds after the flow has continued, so a report written at
the end of a run cannot rely on it.
"""

import functools
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect.runtime import flow_run

P = ParamSpec("P")
R = TypeVar("R")

_seconds: dict[str, dict[str, float]] = {}


def timed(step: Callable[P, R]) -> Callable[P, R]:
    """Record the time that a task's function takes, over all its attempts."""

    @functools.wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        started = time.monotonic()
        try:
            return step(*args, **kwargs)
        finally:
            steps = _seconds.setdefault(str(flow_run.id), {})
            took = time.monotonic() - started
            steps[step.__name__] = steps.get(step.__name__, 0.0) + took

    return run


def take(flow_run_id: str) -> dict[str, float]:
    """Return and forget the seconds of a run's steps so far, in order, without cached ones."""
    return _seconds.pop(flow_run_id, {})
