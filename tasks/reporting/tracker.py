"""Log runs and sweeps to an MLflow server, for those who have one: extra `mlflow`, its client only.

MLFLOW_TRACKING_URI says where. A run of ours is a run there; a sweep is a parent run of its points.
A server that does not answer, or a missing client, is a warning: what was measured counts.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.records.measurement import Run
from tasks.core.settings import mlflow_experiment, mlflow_uri
from tasks.reporting import figures, key_figures, page

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

FLOW_RUN = "overlayflow.flow_run_id"
PARENT = "mlflow.parentRunId"
# Its client would try for minutes to reach a server that is gone, and print on stdout, where only
# the record of a command belongs.
CLIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# What is longer, MLflow refuses.
LONGEST = 5000


def log_run(
    run: Run, stored_page: str, package: Path | None, url: str, started_by: str = ""
) -> str:
    """Log a run, and return the URL of its page; empty without a tracking server.

    Args:
        run: the run with its verdict.
        stored_page: its report as the store keeps it; empty if there is none.
        package: path of package.tar.gz; None if it is not at hand.
        url: URL of the run in the Prefect UI; empty if there is none.
        started_by: id of the flow run that started it, whose child it becomes if that is a sweep
            that has been logged; empty if there is none.
    """
    with _client() as client:
        if client is None:
            return ""
        made = _log(client, run, stored_page, package, url)
        if started_by and (parent := _find(client, started_by)):
            client.set_tag(made, PARENT, parent)
        return _page_of(client, made)
    return ""


def begin_sweep(name: str, project: str, flow_run: tuple[str, str]) -> None:
    """Log a sweep before its points, so they find their parent even if the sweep is lost.

    Args:
        name: of the sweep.
        project: name of its first point's project.
        flow_run: id of the sweep's own flow run, and URL of that in the Prefect UI.
    """
    with _client() as client:
        if client is not None:
            _sweep(client, name, project, flow_run)


def end_sweep(
    *,
    name: str,
    project: str,
    runs: Sequence[Run],
    metrics: Mapping[str, float],
    files: Sequence[Path],
    flow_run: tuple[str, str],
) -> str:
    """Log the results of a sweep, and return the URL of its page.

    Args:
        name: of the sweep.
        project: name of its first point's project.
        runs: of its points; those that nobody logged before are logged now.
        metrics: numbers of points by state.
        files: its page, tables and record.
        flow_run: id of the sweep's own flow run, and URL of that in the Prefect UI.
    """
    with _client() as client:
        if client is None:
            return ""
        parent = _sweep(client, name, project, flow_run)
        for state, number in metrics.items():
            client.log_metric(parent, state, number)
        for run in runs:
            child = _find(client, run.flow_run_id) or _log(client, run, "", None, "")
            client.set_tag(child, PARENT, parent)
        for file in files:
            client.log_artifact(parent, str(file))
        client.set_terminated(parent, "FAILED" if metrics.get("not_run") else "FINISHED")
        return _page_of(client, parent)
    return ""


@contextlib.contextmanager
def _client() -> "Iterator[MlflowClient | None]":
    """Yield a client if a server is named; an error within the block becomes a warning."""
    uri = mlflow_uri()
    if not uri:
        yield None
        return
    for name, value in CLIENT.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError:
        log.warning(
            "MLFLOW_TRACKING_URI is set, but MLflow's client is not installed: "
            "pip install 'overlayflow[mlflow]'"
        )
        yield None
        return
    try:
        yield MlflowClient(tracking_uri=uri)
    except (MlflowException, OSError) as error:  # requests' errors are OSErrors
        log.warning("not logged to MLflow: %s", str(error).partition("\n")[0])


def _log(client: "MlflowClient", run: Run, stored_page: str, package: Path | None, url: str) -> str:
    """Log a run, and return its id there."""
    from mlflow.entities import Metric, Param, RunTag

    ended = datetime.fromisoformat(run.finished).timestamp()
    began_ms, ended_ms = (round(1e3 * t) for t in (ended - sum(run.steps_s.values()), ended))
    made = client.create_run(
        _experiment(client, _project(run)),
        start_time=began_ms,
        run_name=run.flow_run_name,
        tags=_tags(run) | _note(url),
    )
    run_id: str = made.info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, ended_ms, 0) for name, value in _metrics(run).items()],
        params=[Param(name, value[:LONGEST]) for name, value in _parameters(run).items()],
        tags=[RunTag("overlayflow.differs", key_figures.differs(run) or "nothing")],
    )
    if stored_page:
        client.log_text(run_id, page.complete(stored_page), "report.html")
    if package is not None:
        client.log_artifact(run_id, str(package))
    client.set_terminated(run_id, "FINISHED" if run.verdict.passed else "FAILED", ended_ms)
    return run_id


def _sweep(client: "MlflowClient", name: str, project: str, flow_run: tuple[str, str]) -> str:
    """Return the id of a sweep's run there, which is made if it is not there."""
    if found := _find(client, flow_run[0]):
        return found
    tags = {FLOW_RUN: flow_run[0], "overlayflow.sweep": name, **_note(flow_run[1])}
    made = client.create_run(_experiment(client, project), run_name=name, tags=tags)
    return str(made.info.run_id)


def _project(run: Run) -> str:
    return run.verdict.manifest.project_name


def _experiment(client: "MlflowClient", project: str) -> str:
    """Return the id of a project's experiment, which is made if it is not there."""
    from mlflow.exceptions import MlflowException

    name = mlflow_experiment() or project
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another point of the sweep was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _find(client: "MlflowClient", flow_run_id: str) -> str | None:
    """Return the id of what a flow run logged before, in any experiment."""
    everywhere = [each.experiment_id for each in client.search_experiments()]
    wanted = f"tags.`{FLOW_RUN}` = '{flow_run_id}'"
    found = client.search_runs(everywhere, wanted, max_results=1)
    return str(found[0].info.run_id) if found else None


def _page_of(client: "MlflowClient", run_id: str) -> str:
    uri = mlflow_uri().rstrip("/")
    if not uri.startswith("http"):
        return ""
    return f"{uri}/#/experiments/{client.get_run(run_id).info.experiment_id}/runs/{run_id}"


def _parameters(run: Run) -> dict[str, str]:
    """Return everything that was chosen."""
    deployment = run.verdict.measurement.deployment
    manifest = deployment.package.manifest
    chosen: dict[str, Any] = {
        "model": manifest.model_name,
        "board": deployment.board,
        "target": manifest.target,
        "part": manifest.part,
        "board_kind": manifest.board_kind,
        **(manifest.settings.model_dump() if manifest.settings else {}),
    }
    return {name: str(value) for name, value in chosen.items()}


def _metrics(run: Run) -> dict[str, float]:
    """Return every figure that is known."""
    measurement = run.verdict.measurement
    manifest = measurement.deployment.package.manifest
    known = run.figures.model_dump(exclude={"schema_version", "simulated"})
    known |= {
        "accuracy_framework": manifest.accuracy_framework,
        "accuracy_csim": manifest.accuracy_csim,
        "power_w": measurement.power_w,
        "latency_cycles": measurement.latency_cycles,
        "failed_gates": sum(not gate.passed for gate in run.verdict.gates),
        **{f"seconds.{step}": taken for step, taken in run.steps_s.items()},
    }
    return {name: float(value) for name, value in known.items() if value is not None}


def _tags(run: Run) -> dict[str, str]:
    """Return where a run comes from."""
    measurement = run.verdict.measurement
    manifest = measurement.deployment.package.manifest
    built = manifest.provenance
    tags = {
        FLOW_RUN: run.flow_run_id,
        "overlayflow.verdict": "passed" if run.verdict.passed else "FAILED",
        "overlayflow.simulated": "yes" if measurement.simulated else "no",
        "overlayflow.board": measurement.deployment.board,
        "overlayflow.model_sha256": manifest.model_digest,
        "overlayflow.data_sha256": manifest.data_digest or "not known",
        "overlayflow.package_sha256": measurement.deployment.package.digest,
        "overlayflow.quality": figures.quality(run.verdict),
    }
    if built is not None and built.git_commit:
        tags["mlflow.source.git.commit"] = built.git_commit
        tags["overlayflow.git_dirty"] = "yes" if built.git_dirty else "no"
    return tags


def _note(url: str) -> dict[str, str]:
    """Return the description of a run, which leads back to Prefect."""
    return {"mlflow.note.content": f"[The run in Prefect]({url})"} if url else {}
