"""Runs and sweeps at a real MLflow server, and one that is lost."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as Logged

from tasks.core import settings
from tasks.core.records.measurement import Run
from tasks.core.records.settings import ConvertSettings
from tasks.reporting import tracker
from tests.tasks import samples
from tests.waiting import free_port

START_S = 120
URL = "http://127.0.0.1:4200/runs/flow-run/1"


def run(number: int, **chosen: object) -> Run:
    described = samples.manifest(settings=ConvertSettings.model_validate(chosen))
    return Run(
        flow_run_id=f"{number:08}-0000",
        flow_run_name="tiny on twin",
        finished="2026-01-01T00:00:10+00:00",
        verdict=samples.verdict(described, accuracy=0.9),
        steps_s={"convert": 4.0, "benchmark": 1.0},
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real MLflow server, with SQLite."""
    directory = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [
        *(str(settings.mlflow_python()), "-m", "mlflow", "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{directory}/mlflow.db"),
        *("--artifacts-destination", str(directory / "artifacts")),
    ]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=directory, stdout=log, stderr=log, start_new_session=True
        )
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for(url, process)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{url}/health").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"MLflow is not up at {url}")


@pytest.fixture
def tracked(server: str, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    return MlflowClient(tracking_uri=server)


def logged(client: MlflowClient, url: str) -> Logged:
    """The run that a URL of ours leads to."""
    _, _, run_id = url.rpartition("/")
    return client.get_run(run_id)


@pytest.mark.slow
def test_a_run_is_logged_with_what_was_chosen_found_and_made(
    tracked: MlflowClient, tmp_path: Path
) -> None:
    package = tmp_path / "package.tar.gz"
    package.write_bytes(b"a package")
    url = tracker.log_run(run(1, words="packed"), "<h1>report</h1>", package, URL)
    found = logged(tracked, url)
    assert found.info.status == "FINISHED"
    assert found.info.end_time - found.info.start_time == 5000
    assert (found.data.params["words"], found.data.params["board"]) == ("packed", "twin")
    metrics = found.data.metrics
    assert (metrics["accuracy"], metrics["lut"], metrics["seconds.convert"]) == (0.9, 100, 4)
    tags = found.data.tags
    assert (tags["overlayflow.simulated"], tags["overlayflow.verdict"]) == ("yes", "passed")
    assert URL in tags["mlflow.note.content"]
    run_id = found.info.run_id
    assert {each.path for each in tracked.list_artifacts(run_id)} == {"report.html", package.name}
    (tmp_path / "back").mkdir()
    kept = tracked.download_artifacts(run_id, package.name, str(tmp_path / "back"))
    assert Path(kept).read_bytes() == b"a package"


@pytest.mark.slow
def test_a_sweep_is_the_parent_of_its_points(tracked: MlflowClient, tmp_path: Path) -> None:
    tracker.begin_sweep("clocks", "tiny", ("s", URL))
    first = logged(tracked, tracker.log_run(run(2), "", None, "", "s"))
    # Whatever becomes of the sweep, the point is its child.
    begun = tracked.get_run(first.data.tags[tracker.PARENT])
    assert (begun.info.run_name, begun.info.status) == ("clocks", "RUNNING")
    table = tmp_path / "points.csv"
    table.write_text("point\n")
    points = [run(2), run(3, clock_period_ns=8)]  # the second was measured before there was MLflow
    url = tracker.end_sweep(
        name="clocks",
        project="tiny",
        runs=points,
        metrics={"done": 2},
        files=[table],
        flow_run=("s", URL),
    )
    parent = logged(tracked, url)
    assert (parent.info.run_id, parent.info.status) == (begun.info.run_id, "FINISHED")
    children = tracked.search_runs(
        [parent.info.experiment_id], f"tags.`{tracker.PARENT}` = '{parent.info.run_id}'"
    )
    assert {each.data.params["clock_period_ns"] for each in children} == {"10.0", "8.0"}
    assert first.info.run_id in {each.info.run_id for each in children}
    assert parent.data.metrics["done"] == 2
    assert [each.path for each in tracked.list_artifacts(parent.info.run_id)] == ["points.csv"]


def test_a_lost_server_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with caplog.at_level(logging.WARNING):
        assert tracker.log_run(run(1), "", None, "") == ""
        tracker.begin_sweep("clocks", "tiny", ("s", ""))
    assert caplog.text.count("not logged to MLflow") == 2


def test_without_a_server_nothing_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracker.log_run(run(1), "", None, "") == ""
