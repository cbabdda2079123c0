"""What the server does by itself, held against events as Prefect's server judges them."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent

from deployments.automations import housekeeping


def event(state: str, flow: str) -> ReceivedEvent:
    """A run of a flow has come to a state."""
    return ReceivedEvent.model_validate(
        {
            "id": uuid4(),
            "occurred": datetime.now(UTC),
            "event": f"prefect.flow-run.{state}",
            "resource": {"prefect.resource.id": f"prefect.flow-run.{uuid4()}"},
            "related": [
                {
                    "prefect.resource.id": f"prefect.flow.{uuid4()}",
                    "prefect.resource.role": "flow",
                    "prefect.resource.name": flow,
                }
            ],
        }
    )


def trigger(name: str) -> EventTrigger:
    (found,) = (each.trigger for each in housekeeping() if each.name == name)
    return EventTrigger.model_validate(found.model_dump(mode="json", exclude={"id"}))


@pytest.mark.parametrize(
    ("flow", "watched"), [("deploy-model", True), ("sweep-point", True), ("sweep-models", False)]
)
def test_a_run_is_cancelled_after_a_day_but_a_sweep_may_take_longer(
    flow: str, watched: bool
) -> None:
    endless = trigger("cancel-endless-runs")
    running = event("Running", flow)
    assert endless.covers(running) is watched
    assert endless.starts_after(running.event)
    assert endless.expects("prefect.flow-run.Completed")


def test_any_run_that_falls_silent_is_noticed() -> None:
    zombie = trigger("crash-zombie-runs")
    for flow in ("deploy-model", "sweep-models"):
        assert zombie.covers(event("heartbeat", flow))
