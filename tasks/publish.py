"""Step publish: turn a run's results into artifacts, a report, a history entry and an event."""

import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from prefect import Flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.runtime import flow_run

from tasks.core.errors import BoardError, OverlayflowError, StoreError
from tasks.core.records.measurement import Run, Verdict
from tasks.core.records.package import Package
from tasks.core.settings import mlflow_uri, store_url
from tasks.orchestration import board_block, board_page, run_names, run_times
from tasks.orchestration.artifacts import artifact_key, page_of
from tasks.orchestration.caching import open_store
from tasks.packaging.archive import PACKAGE_FILE
from tasks.quality import baselines
from tasks.quality import outputs as verdicts
from tasks.quality.gates import GateSettings
from tasks.reporting import charts, figures, history, page, report, series, tracker
from tasks.steps import measuring
from tasks.validate import validate

log = logging.getLogger(__name__)

HISTORY = 30  # number of runs in the history artifact of a model


@task(
    name="publish",
    task_run_name="publish {verdict.manifest.project_name}",
)
def publish(verdict: Verdict, rehearsal: Verdict | None = None) -> Run:
    """Write the report, the artifacts and the history; emit an event with the figures.

    Args:
        verdict: of the board.
        rehearsal: of the twin that ran the design before; None without a dress rehearsal.
    """
    store = open_store()  # kept: what it hands out is in use as long as it exists
    measurement = measuring.at_hand(store, verdict.measurement)
    verdict = verdict.model_copy(update={"measurement": measurement})
    run = _run(verdict, rehearsal)
    archive = store.files(measurement.deployment.package.entry) / PACKAGE_FILE
    url = page_of(run.flow_run_id)
    drawn = charts.charts(run, verdicts.outputs(measurement, archive))
    stored = page.page(run, drawn, archive, url)
    try:
        history.add(store_url(), run, stored)
    except StoreError as error:  # the measurement counts, and is in the artifacts
        log.warning("the run is not in the history: %s", error)
    started_by = str(flow_run.parent_flow_run_id or "") if mlflow_uri() else ""
    tracked = tracker.log_run(run, stored, archive, url, started_by)
    _artifacts(run, report.markdown(run, url, tracked))
    if verdict.passed:
        _emit("passed", run, f"{run.flow_run_name} passed")
    if baselines.regressed(verdict):
        worse = [gate.message for gate in verdict.gates if not gate.passed]
        _emit("regressed", run, "; ".join(worse))
    return run


@contextlib.contextmanager
def judged_if_cut_off(
    package: Package, limits: GateSettings, rehearsal: Verdict | None = None
) -> Iterator[None]:
    """Keep what was measured, with its verdict, if the block is cut off before it is published.

    An interrupt, or a server that is gone, ends the flow between its tasks. What the board took
    minutes or hours for is judged nevertheless, without Prefect.

    Args:
        package: what the block measures.
        limits: thresholds of the gates.
        rehearsal: as for `publish`.
    """
    try:
        yield
    except BaseException:
        run_id = str(flow_run.id)
        try:
            measured = measuring.find(open_store(), package, run_names.attempt())
            if measured is not None and history.of_flow_run(store_url(), run_id) is None:
                # Its page is made when somebody asks for it: there may be seconds left.
                history.add(store_url(), _run(validate.fn(measured, limits), rehearsal), page="")
                log.warning("the measurement was done: overlayflow report %s", run_id[:8])
        except OverlayflowError as error:
            log.warning("what was measured was not judged: %s", error)
        raise


def _run(verdict: Verdict, rehearsal: Verdict | None) -> Run:
    """Return the record of this flow run."""
    return Run(
        flow_run_id=str(flow_run.id),
        flow_run_name=str(flow_run.name),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=verdict,
        rehearsal=rehearsal,
        steps_s=run_times.take(str(flow_run.id)),
    )


def tell_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Emit an event for a failed run, with the figures that it determined before it failed.

    Used as a hook of the flows; Prefect passes the arguments by name.
    """
    error = state.result(raise_on_failure=False)
    # Our own errors are complete as they are; Prefect's message would repeat the class name.
    message = str(error) if isinstance(error, OverlayflowError) else str(state.message)
    run = None
    with contextlib.suppress(OSError, StoreError):  # the store may be the reason for the failure
        run = history.of_flow_run(store_url(), str(flow_run.id))
    emit_event(
        "overlayflow.run.failed",
        resource={"prefect.resource.id": f"overlayflow.flow.{flow.name}"},
        payload={
            "what": f"{flow_run.name} failed",
            "message": message,
            "figures": dict(figures.rows(run.verdict)) if run else {},
            "page": page_of(str(flow_run.id)),
        },
    )


def _artifacts(run: Run, text: str) -> None:
    """Publish the run's summary and the model's history, and make the board's page anew."""
    deployment = run.verdict.measurement.deployment
    project = deployment.package.manifest.project_name
    prefix = artifact_key(project)
    create_markdown_artifact(
        text,
        key=f"{prefix}-report",
        description=f"{run.flow_run_name}: verdict, figures and gates",
    )
    of_model = _earlier(history.Wanted(project=project))
    if of_model:
        create_markdown_artifact(
            series.markdown(project, of_model),
            key=f"{prefix}-history",
            description=f"Last runs of {project}",
        )
    with contextlib.suppress(BoardError):  # it was removed meanwhile
        board_page.refresh(board_block.address(deployment.board))


def _earlier(wanted: history.Wanted) -> tuple[Run, ...]:
    """Return the newest of the wanted runs; none if the store cannot be reached."""
    try:
        return history.runs(store_url(), wanted, limit=HISTORY)
    except StoreError as error:
        log.warning("no earlier runs are shown: %s", error)
        return ()


def _emit(what: str, run: Run, message: str) -> None:
    manifest = run.verdict.manifest
    emit_event(
        f"overlayflow.run.{what}",
        resource={"prefect.resource.id": f"overlayflow.model.{manifest.model_digest[:12]}"},
        payload={
            "what": f"{run.flow_run_name} {what}",
            "message": message,
            "figures": dict(figures.rows(run.verdict)),
            "page": page_of(run.flow_run_id),
        },
    )
