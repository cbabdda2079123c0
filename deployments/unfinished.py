"""Clean up runs of a stopped worker, which Prefect would show as running forever."""

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed


def crash_unfinished(pools: list[str]) -> int:
    """Mark the unfinished runs of these pools as crashed.

    Args:
        pools: names of work pools whose workers have all been stopped.

    Returns:
        The number of runs.
    """
    active = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=active))
            ),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=pools)),
        )
        for each in runs:
            client.set_flow_run_state(
                each.id, Crashed(message="its worker was stopped (overlayflow down)"), force=True
            )
    return len(runs)
