"""Which failures a task retries: transient ones, with backoff; permanent ones never."""

from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from tasks.core.errors import OverlayflowError

RETRIES = 3
BACKOFF = exponential_backoff(backoff_factor=5)
JITTER = 0.5


def is_transient(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """Whether the failed attempt may succeed when it is made again."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OverlayflowError) and error.transient
