"""What the server does by itself: end runs whose process is gone, and notify people of problems."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import (
    ActionTypes,
    CancelFlowRun,
    ChangeFlowRunState,
    DoNothing,
    SendNotification,
)
from prefect.events.schemas.automations import Automation as StoredAutomation
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from tasks.core.errors import InputError

# Three heartbeats at PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30, which workers and our commands set.
SILENCE = timedelta(seconds=100)
LONGEST_RUN = timedelta(hours=24)
ANY_RUN = {"prefect.resource.id": ["prefect.flow-run.*"]}
NO_SWEEP = {"prefect.resource.role": "flow", "prefect.resource.name": "!sweep-models"}
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Crashed", "Cancelled")}

SUBJECT = "overlayflow: {{ event.payload['what'] | default(event.event) }}"
BODY = """{{ event.payload['message'] | default('') }}
{% for label, value in (event.payload['figures'] | default({})).items() -%}
{{ label }}: {{ value }}
{% endfor %}
{{ event.payload['page'] | default('') }}"""
ENABLE = (
    "To enable it: create a notification block (Blocks), then run overlayflow up or apply with "
    "--notify TYPE/NAME, e.g. --notify slack-webhook/team."
)
LATE_SUBJECT = "overlayflow: a run is late"
LATE_BODY = """{{ flow_run.name }} of {{ deployment.name }} should have started by now.
Check that a worker of its pool is running and has a free slot. {{ flow_run | ui_url }}"""


def housekeeping() -> list[Automation]:
    """Return the automations that need no set-up."""
    return [
        Automation(
            name="crash-zombie-runs",
            description="Marks a run as crashed when its process stops sending heartbeats; the "
            "deployment clean-up then releases what it held. On by default.",
            trigger=EventTrigger(
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.*"},
                match=ANY_RUN,
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                within=SILENCE,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED,
                    message="no heartbeat: the process, its worker or its machine is gone",
                )
            ],
        ),
        Automation(
            name="cancel-endless-runs",
            description="Cancels a run after a day, because a hung run still sends heartbeats. "
            "Sweeps may take longer, but their points may not. On by default; switch it off here.",
            trigger=EventTrigger(
                after={"prefect.flow-run.Running"},
                expect=ENDS,
                match=ANY_RUN,
                match_related=NO_SWEEP,
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                within=LONGEST_RUN,
            ),
            actions=[CancelFlowRun()],
        ),
    ]


def notifications(block: UUID | None) -> list[Automation]:
    """Return the automations that notify people; disabled without a block.

    Args:
        block: a Prefect notification block (Slack, Teams, SendGrid e-mail, webhook ...).
    """

    def tell(subject: str, body: str) -> Sequence[ActionTypes]:
        if block is None:
            return [DoNothing()]
        return [SendNotification(block_document_id=block, subject=subject, body=body)]

    return [
        Automation(
            name="notify-failed-or-regressed",
            description="Reports failed runs, and runs that are slower, larger or less accurate "
            f"than their baseline, with the figures. {ENABLE}",
            enabled=block is not None,
            trigger=EventTrigger(
                expect={"overlayflow.run.failed", "overlayflow.run.regressed"},
                match={"prefect.resource.id": ["overlayflow.*"]},
                posture=Posture.Reactive,
            ),
            actions=list(tell(SUBJECT, BODY)),
        ),
        Automation(
            name="notify-late",
            description=f"Reports runs that no worker started in time. {ENABLE}",
            enabled=block is not None,
            trigger=EventTrigger(
                expect={"prefect.flow-run.Late"},
                match=ANY_RUN,
                posture=Posture.Reactive,
            ),
            actions=list(tell(LATE_SUBJECT, LATE_BODY)),
        ),
    ]


def apply(notify: str | None) -> list[str]:
    """Create or update all automations, and return their names.

    Args:
        notify: notification block as TYPE/NAME; None leaves notifications unchanged.

    Raises:
        InputError: the notification block does not exist.
    """
    wanted = housekeeping()
    block = None if notify is None else _block(notify)
    for each in notifications(block):
        # Keep what was set up earlier, here or in the UI.
        if block is not None or _find(each.name) is None:
            wanted.append(each)
    for each in wanted:
        existing = _find(each.name)
        if existing is None:
            each.create()
        else:
            each.id = existing.id
            each.update()
    return [each.name for each in (*housekeeping(), *notifications(None))]


def _find(name: str) -> StoredAutomation | None:
    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(name)
    return found[0] if found else None


def _block(notify: str) -> UUID:
    kind, _, name = notify.partition("/")
    try:
        with get_client(sync_client=True) as client:
            return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound as error:
        raise InputError(
            "no notification block has this name",
            where=notify,
            remedy="create it in the Prefect UI under Blocks, and give it as TYPE/NAME, "
            "e.g. slack-webhook/team",
        ) from error
