"""A server as its API shows it: deployments, runs, events, artifacts; a sweep as it reports."""

import json
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from tasks.sweeps.results import SweepReport
from tests.flows.conftest import Machine, http
from tests.waiting import PATIENCE_S

RUN_S = 300


def deployment(team: Machine, name: str) -> dict[str, Any]:
    (found,) = team.query("deployments/filter", {"deployments": {"name": {"any_": [name]}}})
    return dict(found)


def start(team: Machine, name: str, parameters: Mapping[str, Any]) -> str:
    """Start a deployment as the UI does; the id of its run."""
    path = f"{team.api}/deployments/{deployment(team, name)['id']}/create_flow_run"
    body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
    started = http.post(path, json=body)
    started.raise_for_status()
    return str(started.json()["id"])


def ended(team: Machine, run_id: str) -> dict[str, Any]:
    """A run, once it is over."""
    deadline = time.monotonic() + RUN_S
    while time.monotonic() < deadline:
        run = http.get(f"{team.api}/flow_runs/{run_id}").json()
        if run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}:
            return dict(run)
        time.sleep(0.5)
    pytest.fail(f"it did not end: {run}")


def events(team: Machine, name: str, resource: str | None = None) -> list[dict[str, Any]]:
    """Events of a name; the server takes them in a little later than they happen.

    Args:
        team: the server.
        name: of the events.
        resource: only those of this resource.
    """
    wanted: dict[str, Any] = {"event": {"name": [name]}}
    if resource is not None:
        wanted["resource"] = {"id": [resource]}
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = team.query("events/filter", {"filter": wanted})["events"]
        if found:
            return list(found)
        time.sleep(0.5)
    pytest.fail(f"no event {name}")


def artifact(team: Machine, key: str) -> Any:
    """What the newest artifact of a key holds."""
    body = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC"}
    return json.loads(team.query("artifacts/filter", body)[0]["data"])


def silent_run(team: Machine) -> str:
    """A run whose process, worker and machine are gone after this heartbeat."""
    flow = http.post(f"{team.api}/flows/", json={"name": "lost"}).json()
    body = {"flow_id": flow["id"], "state": {"type": "RUNNING"}}
    run_id = str(http.post(f"{team.api}/flow_runs/", json=body).json()["id"])
    resource = f"prefect.flow-run.{run_id}"
    events(team, "prefect.flow-run.Running", resource)  # or it would be a sign of life
    beat = {
        "event": "prefect.flow-run.heartbeat",
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": resource},
    }
    http.post(f"{team.api}/events", json=[beat]).raise_for_status()
    return run_id


def over(team: Machine) -> set[str]:
    """Runs that have ended; those that schedules will start are made anew by each `up`."""
    states = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}
    runs = team.query("flow_runs/filter", {"flow_runs": {"state": states}})
    assert runs
    return {each["id"] for each in runs}


def reported(done: subprocess.CompletedProcess[str], code: int = 0) -> SweepReport:
    assert done.returncode == code, done.stderr
    (line,) = done.stdout.splitlines()
    return SweepReport.model_validate_json(line)
