"""A team's server by one command: a browser, deployments that run, events, a restart.

Screenshots of the browser go to OVERLAYFLOW_SCREENSHOTS, or build/screenshots.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from board.twin import faults
from board.twin.processes import processes_of
from board.twin.record import TwinDirectory
from tasks.boards import lease
from tasks.boards.twins import address_of
from tasks.core.records.measurement import Run
from tasks.packaging.archive import PACKAGE_FILE
from tasks.store.store import Store
from tests.flows.conftest import DATA, MODEL, ROOT, Machine, http, password
from tests.flows.unattended.api import (
    RUN_S,
    artifact,
    deployment,
    ended,
    events,
    over,
    silent_run,
    start,
)
from tests.waiting import until

pytestmark = pytest.mark.slow

DEPLOYMENTS = {
    "benchmark-boards",
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
OVERLAYFLOW = [sys.executable, "-m", "deployments.cli.main"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE_MS = 60_000
RUN_FAILED = "overlayflow.run.failed"
LEFTOVER = f"tmp/convert-{'0' * 64}-{'1' * 32}"  # an unfinished result of a run that was killed
SHOTS = Path(os.environ.get("OVERLAYFLOW_SCREENSHOTS", ROOT / "build" / "screenshots"))
SWEEP = f"""
name: by-workers
base: {{model: {MODEL}, data: {DATA}}}
measurement: {{passes: 1, batches: [1, 3]}}
axes: {{board: [twin]}}
"""


@pytest.fixture(scope="module")
def tracked() -> bool:
    return True


@pytest.fixture(scope="module")
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Where notifications go: its address, and what it has got."""
    got: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()


@pytest.fixture(scope="module")
def notifying(team: Machine, webhook: tuple[str, list[dict[str, Any]]]) -> Machine:
    """A second `up`, typed elsewhere, which says where notifications go."""
    records = sorted((team.home / "server").glob("*.json"))
    before = [path.read_text() for path in records]
    with temporary_settings({PREFECT_API_URL: team.api, PREFECT_API_AUTH_STRING: password(team)}):
        block = CustomWebhookNotificationBlock(
            name="team", url=webhook[0], json_data={"subject": "{{subject}}", "body": "{{body}}"}
        )
        block.save("team")
    again = subprocess.run(
        [*OVERLAYFLOW, "up", "--json", "--notify", "custom-webhook/team"],
        cwd=team.home,
        env=team.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["address"] == team.api.removesuffix("/api")
    assert [path.read_text() for path in records] == before  # it found what runs
    return team


@pytest.fixture(scope="module")
def started(
    notifying: Machine, cold: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Ids of runs that workers have been given, by deployment, and of one that was lost."""
    team = notifying
    assert team.command("baseline", "accept", cold.flow_run_id).returncode == 0
    # As if the design had been twice as fast once.
    (path,) = (Path(team.env["OVERLAYFLOW_STORE"]) / "baselines").glob("digits~twin~*.json")
    baseline = json.loads(path.read_text())
    baseline["verdict"]["measurement"]["latency_s"]["p50"] /= 2
    path.write_text(json.dumps(baseline))
    file = tmp_path_factory.mktemp("sweep") / "sweep.yaml"
    file.write_text(SWEEP)
    parameters: dict[str, dict[str, Any]] = {
        "benchmark-nightly": {"projects": ["digits"]},
        "boards-health": {"boards": ["twin", "gone"]},
        "sweep": {
            "sweep": str(file),
            "advanced": {"point_deployment": "sweep-point/sweep-point"},
        },
    }
    (Path(team.env["OVERLAYFLOW_STORE"]) / LEFTOVER).mkdir(parents=True)
    # A machine that reaches the board would ask for runs of this queue; here, a worker takes all.
    queue = http.post(f"{team.api}/work_pools/builders/queues", json={"name": "board-twin"})
    queue.raise_for_status()
    lost = {"lost": silent_run(team)}
    yield lost | {name: start(team, name, given) for name, given in parameters.items()}
    assert team.command("baseline", "remove", "digits", "twin").returncode == 0


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        browser.close()


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def runs(team: Machine) -> set[str]:
    """Of deploy-model, which has no schedule."""
    body = {"deployments": {"name": {"any_": ["deploy-model"]}}}
    return {each["id"] for each in team.query("flow_runs/filter", body)}


def test_nobody_gets_in_without_the_password(team: Machine) -> None:
    """Every user of the machine, and every web page, reaches loopback."""
    assert (team.home / "server" / "password").stat().st_mode & 0o777 == 0o600
    stranger = httpx.post(f"{team.api}/deployments/filter", json={})
    assert stranger.status_code == httpx.codes.UNAUTHORIZED
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{team.api}/deployments/filter", headers=asked)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_of_the_machine_gets_in_nowhere(team: Machine) -> None:
    secrets = (team.home / "server" / "password", *team.home.glob("prefect/prefect.db*"))
    assert len(secrets) > 1
    assert {path.stat().st_mode & 0o077 for path in (*secrets, team.home / "prefect")} == {0}
    os.seteuid(65534)
    try:
        for path in secrets:
            with pytest.raises(PermissionError):
                path.read_bytes()
        for what in ("deployments/filter", "block_documents/filter"):
            body = {"include_secrets": True}
            assert httpx.post(f"{team.api}/{what}", json=body).status_code == 401
    finally:
        os.seteuid(0)


def test_a_run_cannot_bring_a_command_of_its_own(team: Machine) -> None:
    path = f"{team.api}/deployments/{deployment(team, 'boards-health')['id']}/create_flow_run"
    for variables in ({"command": "touch mine"}, {"env": {"PYTHONPATH": "elsewhere"}}):
        refused = http.post(path, json={"parameters": {}, "job_variables": variables})
        assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY, refused.text


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


def test_workers_run_flows_from_the_installation_wherever_up_was_typed(notifying: Machine) -> None:
    steps = deployment(notifying, "deploy-model")["pull_steps"]
    assert [list(step.values()) for step in steps] == [[{"directory": str(ROOT)}]]


def test_schedules_put_runs_on_the_list(team: Machine) -> None:
    nightly = {"deployments": {"name": {"any_": ["benchmark-nightly"]}}}
    deadline = time.monotonic() + RUN_S
    runs: list[dict[str, Any]] = []
    while not runs and time.monotonic() < deadline:
        time.sleep(1)
        found = team.query("flow_runs/filter", nightly)
        runs = [each for each in found if each["auto_scheduled"]]
    assert "SCHEDULED" in {each["state_type"] for each in runs}


def test_a_form_that_makes_no_sense_is_refused_before_anything_starts(team: Machine) -> None:
    path = f"{team.api}/deployments/{deployment(team, 'deploy-model')['id']}/create_flow_run"
    parameters = {"conversion": {"strategy": "Hope"}}
    answer = http.post(path, json={"parameters": parameters})
    assert answer.status_code == 409
    assert "Hope" in answer.text


def test_a_run_worse_than_its_baseline_fails_where_asked_and_tells_the_figures(
    team: Machine, started: dict[str, str]
) -> None:
    run = ended(team, started["benchmark-nightly"])
    assert run["state_type"] == "FAILED"
    assert "1 of 1 measurements failed: digits on twin" in run["state"]["message"]
    (row,) = artifact(team, "nightly-results")
    assert (row["project"], row["board"], row["verdict"]) == ("digits", "twin", "FAILED")
    assert "baseline latency" in row["message"]
    (regressed,) = events(team, "overlayflow.run.regressed")
    assert "before" in regressed["payload"]["message"]
    assert regressed["payload"]["figures"]["board"].startswith("twin")
    failed = {each["payload"]["what"]: each["payload"] for each in events(team, RUN_FAILED)}
    assert failed["digits on twin failed"]["figures"] == regressed["payload"]["figures"]


def test_who_is_to_be_told_gets_the_figures(
    team: Machine, started: dict[str, str], webhook: tuple[str, list[dict[str, Any]]]
) -> None:
    ended(team, started["benchmark-nightly"])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        told = {each["subject"]: each["body"] for each in webhook[1]}
        body = next((told[subject] for subject in told if subject.endswith("regressed")), None)
        if body is not None:
            break
        time.sleep(0.5)
    else:
        pytest.fail(f"nothing came: {webhook[1]}")
    assert "batch 1 takes" in body
    assert "LUT of xc7z020clg400-1: " in body


def test_a_board_that_is_gone_is_named_by_the_schedule_and_hides_no_other(
    team: Machine, started: dict[str, str]
) -> None:
    run = ended(team, started["boards-health"])
    assert run["state_type"] == "FAILED"
    assert "gone: reachable: no board has this name" in run["state"]["message"]
    rows = {row["board"]: row for row in artifact(team, "boards-check")}
    assert rows["gone"]["reachable"].startswith("FAILED")
    assert not any(str(cell).startswith("FAILED") for cell in rows["twin"].values())


def test_a_sweep_by_workers_runs_its_points_as_runs_of_their_own(
    team: Machine, started: dict[str, str]
) -> None:
    run = ended(team, started["sweep"])
    assert run["state_type"] == "COMPLETED", run["state"]
    (row,) = artifact(team, "sweep-by-workers-points")
    assert (row["state"], row["gates"]) == ("done", "passed")
    point = http.get(f"{team.api}/flow_runs/{row['flow run']}").json()
    assert (point["name"], point["work_queue_name"]) == ("board=twin", "board-twin")


def submitted(team: Machine, page: Page) -> str:
    """Press the button, once more where SQLite was too busy to answer; the id of the new run."""
    before = runs(team)
    for _ in range(3):
        page.get_by_role("button", name="Submit").click()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if new := runs(team) - before:
                (started,) = new
                return started
            time.sleep(0.5)
    pytest.fail(f"it does not start: {page.locator('body').inner_text()[-500:]}")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
def test_form_run_report_and_the_run_in_mlflow_are_seen_in_the_browser(
    team: Machine, page: Page
) -> None:
    ui = team.api.removesuffix("/api")
    page.goto(ui)
    page.locator("input[type=password]").fill(password(team))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Deployments").first).to_be_visible()
    page.goto(f"{ui}/deployments/deployment/{deployment(team, 'deploy-model')['id']}")
    page.get_by_role("button", name="Run", exact=True).first.click()
    page.get_by_text("Custom run").click()

    label = page.locator("label", has_text="Passes")
    label.locator("xpath=following::input[1]").fill("2")
    # The form explains itself, and comes filled in.
    expect(page.get_by_text("multiplications per multiplier; 1 is fully parallel.")).to_be_visible()
    model = page.locator("label", has_text="model").first.locator("xpath=following::textarea[1]")
    expect(model).to_have_value("examples/digits/digits.keras")
    model.scroll_into_view_if_needed()
    shoot(page, "form")
    started = submitted(team, page)
    ended(team, started)
    page.goto(f"{ui}/runs/flow-run/{started}")
    page.get_by_text("Artifacts", exact=True).click()
    expect(page.get_by_text("Completed").first).to_be_visible()
    shoot(page, "run")
    page.get_by_text("digits-report").first.click()

    expect(page.get_by_text("digits: passed").first).to_be_visible()
    expect(page.get_by_text("450 of 450 test samples").first).to_be_visible()
    shoot(page, "report")
    mlflow = page.get_by_role("link", name="The run in MLflow").get_attribute("href")
    assert mlflow is not None
    # The same report in the other UI.
    page.goto(page.url.replace(ui, f"{ui}/v2"))
    expect(page.get_by_role("link", name="The run in MLflow")).to_have_attribute("href", mlflow)
    expect(page.get_by_text("450 of 450 test samples").first).to_be_visible()
    shoot(page, "report-v2")
    page.goto(mlflow)
    expect(page.get_by_text("inferences_per_s").first).to_be_visible()
    shoot(page, "mlflow")
    back = page.get_by_role("link", name="The run in Prefect").get_attribute("href")
    assert back == f"{ui}/runs/flow-run/{started}"


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
def test_a_sweep_is_seen_on_its_page_and_in_mlflow_as_the_parent_of_its_point(
    team: Machine, started: dict[str, str], page: Page
) -> None:
    ended(team, started["sweep"])
    (row,) = artifact(team, "sweep-by-workers-points")
    page.goto((team.home / "sweeps" / "by-workers" / "report.html").as_uri())
    expect(page.locator("figure svg.marks").first).to_be_visible()
    run = page.get_by_role("link", name=row["flow run"][:8]).first
    expect(run).to_have_attribute("href", re.compile(row["flow run"]))
    shoot(page, "sweep")
    body = {"artifacts": {"key": {"any_": ["sweep-by-workers-report"]}}}
    text = team.query("artifacts/filter", body)[0]["data"]
    link = re.search(r"\[The sweep in MLflow\]\((.*)\)", text)
    assert link is not None
    page.goto(link[1])
    expect(page.get_by_text("by-workers").first).to_be_visible()
    expect(page.get_by_text("Child runs").first).to_be_visible()
    shoot(page, "mlflow-sweep")


def test_a_report_is_one_file_whose_charts_need_nothing_else(
    team: Machine, cold: Run, page: Page
) -> None:
    out = team.home / "report.html"
    written = team.command("report", cold.flow_run_id[:8], "--out", out)
    assert written.returncode == 0, written.stderr
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(out.as_uri())
    drawn = page.locator("figure svg.marks")
    expect(drawn.first).to_be_visible()
    assert drawn.count() == page.locator("figure").count() >= 4
    for each in drawn.all():
        box = each.bounding_box()
        assert box is not None
        assert box["width"] > 200
    assert asked == [out.as_uri()]
    shoot(page, "page")
    page.set_viewport_size({"width": 360, "height": 900})
    for cell in page.locator("h2:text('Figures') + div td").all():  # none beyond a phone's edge
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 360


def test_a_run_without_a_sign_of_life_is_ended_and_cleaned_up_after(
    team: Machine, started: dict[str, str]
) -> None:
    run = ended(team, started["lost"])
    assert run["state_type"] == "CRASHED"
    assert run["state"]["message"].startswith("no heartbeat")
    leftover = Path(team.env["OVERLAYFLOW_STORE"]) / LEFTOVER
    until(lambda: not leftover.exists(), RUN_S)  # clean-up, which the server starts, has come by


def test_a_run_that_is_cancelled_gives_the_board_back(
    team: Machine, machine: Machine, cold: Run
) -> None:
    entry = cold.verdict.measurement.deployment.package.entry
    package = Store(machine.home / "store").files(entry) / PACKAGE_FILE
    twins = team.home / "twins"
    home, record = TwinDirectory(twins / "twin").home, TwinDirectory(twins / "twin").running()
    assert record is not None
    board = address_of(record)
    faults.set_fault(twins, "twin", "dma-stall")
    try:
        # Made in another home: somebody has to say that it is to be trusted.
        given = {"package": str(package), "board": "twin", "advanced": {"trusted": True}}
        run = start(team, "benchmark-package", given)
        until(lambda: list(home.rglob("run-*/design")))
        assert not lease.show(board).free
        cancelling = {"state": {"type": "CANCELLING"}}
        http.post(f"{team.api}/flow_runs/{run}/set_state", json=cancelling).raise_for_status()
        assert ended(team, run)["state_type"] == "CANCELLED"
    finally:
        faults.clear_faults(twins, "twin")
    until(lambda: not processes_of(home))
    assert not list(home.glob("overlayflow/run-*"))
    with lease.lease([board], "see whether it is free", duration_s=10):
        pass


def test_runs_survive_a_restart_at_the_same_address(team: Machine) -> None:
    before = over(team)
    stopped = team.command("down", "--json")
    assert stopped.returncode == 0
    assert "mlflow" in json.loads(stopped.stdout)["stopped"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{team.api}/health")
    assert team.command("down").stdout == "nothing was running\n"
    in_the_way = team.home / "server" / "tmp" / "runner_storage"
    in_the_way.parent.mkdir()
    in_the_way.touch()  # Prefect's workers want a directory there
    up = team.command("up")
    assert up.returncode == 1
    assert "worker-builders: exited" in up.stderr
    assert "runner_storage" in up.stderr
    in_the_way.unlink()
    up = team.command("up")
    assert up.returncode == 0, up.stderr
    assert before <= over(team)
