"""Points of a sweep as runs of a deployment, for workers that the test plays itself."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.orchestration import sweep_dispatch
from tasks.sweeps.file import SweepFile
from tasks.sweeps.points import Point, expand
from tasks.sweeps.session import Session
from tests.flows.conftest import DATA, MODEL, NO_FLOW, Machine, http

pytestmark = pytest.mark.slow

DEPLOYMENT = "played/played"
PATIENCE_S = 120


@pytest.fixture
def session(tmp_path: Path) -> Session:
    file = tmp_path / "sweep.yaml"
    file.write_text(f"name: played\nbase: {{model: {MODEL}, data: {DATA}}}\npoints: [{{}}]\n")
    return Session(SweepFile(file), str(tmp_path / "store"), tmp_path / "report", lambda: None)


@pytest.fixture
def deployment(machine: Machine) -> str:
    """A deployment that no worker takes runs of; its id."""

    def post(path: str, body: dict[str, Any]) -> str:
        answer = http.post(f"{machine.api}/{path}", json=body)
        answer.raise_for_status()
        return str(answer.json()["id"])

    post("work_pools/", {"name": "played", "type": "process"})
    flow_id = post("flows/", {"name": "played"})
    body = {"name": "played", "flow_id": flow_id, "work_pool_name": "played"}
    return post("deployments/", body)


@contextmanager
def sweeping(machine: Machine, session: Session) -> Iterator[None]:
    """A sweep by that deployment, to its end."""

    def sweep() -> None:
        with temporary_settings({PREFECT_API_URL: machine.api, **NO_FLOW}):
            sweep_dispatch.run(session, DEPLOYMENT, "sweep:played", session._store_url)

    thread = threading.Thread(target=sweep)
    thread.start()
    yield
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def run_of(machine: Machine, deployment: str, point: Point, number: int) -> str:
    """Start the numbered run of a point, as an earlier sweep has; its id, also if it is there."""
    body = {"parameters": {}, "idempotency_key": f"{point.digest}-{number}"}
    answer = http.post(f"{machine.api}/deployments/{deployment}/create_flow_run", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def end(machine: Machine, run_id: str, state: str) -> None:
    body = {"state": {"type": state, "message": "its machine is gone"}, "force": True}
    machine.query(f"flow_runs/{run_id}/set_state", body)


def until_started(machine: Machine, deployment: str, count: int) -> str:
    """The id of the newest run, once there are so many."""
    body = {"deployments": {"id": {"any_": [deployment]}}, "sort": "EXPECTED_START_TIME_DESC"}
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = machine.query("flow_runs/filter", body)
        if len(found) >= count:
            assert len(found) == count
            return str(found[0]["id"])
        time.sleep(0.1)
    pytest.fail(f"not {count} runs")


def test_failed_runs_of_earlier_sweeps_use_up_no_retries(
    machine: Machine, deployment: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_dispatch, "POLL_S", 0.1)
    (point,) = expand(session.file)
    for number in range(2):
        end(machine, run_of(machine, deployment, point, number), "FAILED")
    with sweeping(machine, session):
        for count in range(3, 3 + sweep_dispatch.TRIES):
            end(machine, until_started(machine, deployment, count), "CRASHED")
    (result,) = session.results.values()
    assert result.state == "failed"
    assert "its machine is gone" in result.message
    until_started(machine, deployment, 2 + sweep_dispatch.TRIES)
