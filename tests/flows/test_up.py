"""A team's server by one command: deployments that run, baselines, events, a restart."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.records import Run
from tests.flows.conftest import Machine

pytestmark = [pytest.mark.slow, pytest.mark.extended]

DEPLOYMENTS = {
    "benchmark-nightly",
    "benchmark-package",
    "boards-health",
    "clean-up",
    "deploy-model",
    "store-prune",
    "sweep",
    "sweep-point",
}
AUTOMATIONS = {
    "cancel-endless-runs",
    "clean-up-after-crash",
    "crash-zombie-runs",
    "notify-failed-or-regressed",
    "notify-late",
}
RUN_S = 300


def deployment(team: Machine, name: str) -> dict[str, Any]:
    (found,) = team.query("deployments/filter", {"deployments": {"name": {"any_": [name]}}})
    return dict(found)


def finished_run(team: Machine, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Start a deployment as the UI does and wait for the end of its run."""
    path = f"{team.api}/deployments/{deployment(team, name)['id']}/create_flow_run"
    started = httpx.post(path, json={"parameters": parameters, "state": {"type": "SCHEDULED"}})
    started.raise_for_status()
    deadline = time.monotonic() + RUN_S
    while time.monotonic() < deadline:
        run = httpx.get(f"{team.api}/flow_runs/{started.json()['id']}").json()
        if run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}:
            return dict(run)
        time.sleep(0.5)
    pytest.fail(f"{name} did not end: {run}")


def events(team: Machine, name: str) -> list[dict[str, Any]]:
    """Events of a name; the server takes them in a little later than they happen."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = team.query("events/filter", {"filter": {"event": {"name": [name]}}})["events"]
        if found:
            return list(found)
        time.sleep(0.5)
    pytest.fail(f"no event {name}")


def test_everything_is_registered(team: Machine) -> None:
    assert {each["name"] for each in team.query("deployments/filter", {})} >= DEPLOYMENTS
    automations = {each["name"]: each for each in team.query("automations/filter", {})}
    assert set(automations) >= AUTOMATIONS
    # Nobody has said yet where to send them.
    assert not automations["notify-failed-or-regressed"]["enabled"]
    limits = team.query("v2/concurrency_limits/filter", {})
    assert {each["name"]: each["limit"] for each in limits}["board-twin"] == 1
    nightly = deployment(team, "benchmark-nightly")
    assert [each["schedule"]["cron"] for each in nightly["schedules"]] == ["0 2 * * *"]


def test_schedules_put_runs_on_the_list(team: Machine) -> None:
    nightly = {"deployments": {"name": {"any_": ["benchmark-nightly"]}}}
    deadline = time.monotonic() + RUN_S
    runs: list[dict[str, Any]] = []
    while not runs and time.monotonic() < deadline:
        time.sleep(1)
        found = team.query("flow_runs/filter", nightly)
        runs = [each for each in found if each["auto_scheduled"]]
    assert "SCHEDULED" in {each["state_type"] for each in runs}


def test_a_second_up_finds_what_runs(team: Machine) -> None:
    records = sorted((team.home / "server").glob("*.json"))
    before = [path.read_text() for path in records]
    again = team.command("up", "--json")
    assert json.loads(again.stdout)["address"] == team.api.removesuffix("/api")
    assert [path.read_text() for path in records] == before
    assert {each["name"] for each in team.query("automations/filter", {})} >= AUTOMATIONS


def test_a_form_that_makes_no_sense_is_refused_before_anything_starts(team: Machine) -> None:
    path = f"{team.api}/deployments/{deployment(team, 'deploy-model')['id']}/create_flow_run"
    parameters = {"conversion": {"strategy": "Hope"}}
    answer = httpx.post(path, json={"parameters": parameters})
    assert answer.status_code == 409
    assert "Hope" in answer.text


def test_a_run_worse_than_its_baseline_fails_where_asked_and_tells_the_figures(
    team: Machine, cold: Run
) -> None:
    accepted = team.command("baseline", "accept", cold.flow_run_id)
    assert accepted.returncode == 0, accepted.stderr
    assert "digits" in team.command("baseline", "list").stdout
    # As if the design had been twice as fast once.
    path = Path(team.env["OVERLAYFLOW_STORE"]) / "baselines" / "digits~twin.json"
    baseline = json.loads(path.read_text())
    baseline["verdict"]["measurement"]["latency_s"]["p50"] /= 2
    path.write_text(json.dumps(baseline))
    try:
        run = finished_run(team, "deploy-model", {"limits": {"baseline": "fail"}})
        assert run["state_type"] == "FAILED"
        assert "baseline latency" in run["state"]["message"]
        (regressed,) = events(team, "overlayflow.run.regressed")
        assert "it took" in regressed["payload"]["message"]
        assert regressed["payload"]["figures"]["board"].startswith("twin")
        (failed,) = events(team, "overlayflow.run.failed")
        assert failed["payload"]["page"].endswith(run["id"])
    finally:
        assert team.command("baseline", "remove", "digits", "twin").returncode == 0


def test_the_night_measures_every_package_on_every_board(team: Machine) -> None:
    run = finished_run(team, "benchmark-nightly", {"projects": ["digits"]})
    assert run["state_type"] == "COMPLETED", run["state"]
    body = {"artifacts": {"key": {"any_": ["nightly-results"]}}}
    (table,) = team.query("artifacts/filter", body)
    rows = json.loads(table["data"])
    assert [(row["project"], row["board"], row["verdict"]) for row in rows] == [
        ("digits", "twin", "passed")
    ]


def test_a_report_is_one_file_that_needs_nothing_else(team: Machine, cold: Run) -> None:
    out = team.home / "report.html"
    written = team.command("report", cold.flow_run_id[:8], "--out", out)
    assert written.returncode == 0, written.stderr
    page = out.read_text()
    assert page.count("<img") == page.count('src="data:image/png;base64,') == 4
    assert "<script" not in page


def test_runs_survive_a_restart_at_the_same_address(team: Machine) -> None:
    before = {each["id"] for each in team.query("flow_runs/filter", {})}
    assert team.command("down").returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{team.api}/health")
    assert team.command("down").stdout == "nothing ran\n"
    up = team.command("up")
    assert up.returncode == 0, up.stderr
    assert before <= {each["id"] for each in team.query("flow_runs/filter", {})}
