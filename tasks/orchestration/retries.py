"""Retry policy of tasks: retry transient failures with backoff, never permanent ones."""

from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from tasks.core.errors import OverlayflowError

RETRIES = 3
BACKOFF = exponential_backoff(backoff_factor=5)
JITTER = 0.5


def is_transient(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """Return whether another attempt may succeed."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OverlayflowError) and error.transient
