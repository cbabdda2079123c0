"""How long each step of a run took, noted as the steps finish.

Prefect's server learns of a task's end seconds later than the flow goes on, so a report made at
the end of a run cannot ask it.
"""

from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

_seconds: dict[str, dict[str, float]] = {}


def keep(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> None:
    """Note a step's time; a hook of every task (Prefect passes the arguments by name)."""
    started = task_run.start_time
    took = 0.0 if started is None else (state.timestamp - started).total_seconds()
    _seconds.setdefault(str(task_run.flow_run_id), {})[task.name] = took


def take(flow_run_id: str) -> dict[str, float]:
    """Seconds of the steps that have finished in a run, in their order; forgotten afterwards."""
    return _seconds.pop(flow_run_id, {})
