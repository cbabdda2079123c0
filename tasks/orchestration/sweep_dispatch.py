"""Run a sweep's points on several machines: each is a run of a deployment, for any free worker."""

import logging
import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import cast

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from tasks.core.errors import InputError, OverlayflowError
from tasks.orchestration import server
from tasks.sweeps import inputs, results, schedule, search
from tasks.sweeps.points import Point
from tasks.sweeps.session import Session
from tasks.toolchains.choice import named

log = logging.getLogger(__name__)

POLL_S = 3.0
# A run crashes when its machine goes away; after this many crashes in a row, blame the point.
TRIES = 3
NO_WORKER_S = 120.0


def run(session: Session, deployment: str, tag: str, store_url: str) -> None:
    """Run every point of a session that has no result yet, on the workers of a deployment.

    Points that share a build run one after the other, so no two machines build the same design.

    Args:
        session: the sweep's session.
        deployment: deployment of the flow sweep_point, as FLOW/DEPLOYMENT.
        tag: tag of the runs.
        store_url: URL of the store that all workers share.

    Raises:
        InputError: the deployment does not exist.
        ServerError: the server does not answer.
    """
    there = queues(deployment)
    batch_size = session.file.spec.workers or 1
    for batch in search.batches(session.file, batch_size, session.results):
        todo = session.plan(batch)
        log.info("%d of %d points to run with %s", len(todo), len(batch), deployment)
        inputs.share(store_url, todo)
        _Batch(session, deployment, there, tag, store_url).run(todo)


class _Batch:
    """The points of a batch that are waiting or running."""

    def __init__(
        self,
        session: Session,
        deployment: str,
        there: Collection[str],
        tag: str,
        store_url: str,
    ) -> None:
        self._session = session
        self._deployment = deployment
        self._queues = there
        self._tag = tag
        self._store_url = store_url
        self._runs: dict[str, tuple[Point, FlowRun]] = {}
        # Of a point's runs, also those that earlier sweeps started; and those of this sweep.
        self._numbers: Counter[str] = Counter()
        self._tries: Counter[str] = Counter()
        self._last_progress = time.monotonic()

    def run(self, points: Sequence[Point]) -> None:
        waiting = list(points)
        while waiting or self._runs:
            running = [point for point, _ in self._runs.values()]
            while (
                point := schedule.first_apart(waiting, running, self._session.converted)
            ) is not None:
                waiting.remove(point)
                running.append(point)
                self._submit(point)
            time.sleep(POLL_S)
            self._collect()

    def _submit(self, point: Point) -> None:
        """Start a point, or find its unfinished run that an earlier sweep started."""
        while True:
            # For a synchronous caller this is not a coroutine, despite its type.
            run = run_deployment(
                name=self._deployment,
                parameters={"point": point.model_dump(mode="json")},
                flow_run_name=point.name,
                timeout=0,
                tags=[self._tag],
                idempotency_key=f"{point.digest}-{self._numbers[point.digest]}",
                work_queue_name=queue(point, self._queues),
            )
            found = cast("FlowRun", run)
            self._numbers[point.digest] += 1
            if found.state is None or not found.state.is_final():
                self._tries[point.digest] += 1
                self._runs[str(found.id)] = (point, found)
                self._session.started(point)
                return

    def _collect(self) -> None:
        with get_client(sync_client=True) as client:
            states = _read(client, [run for _, run in self._runs.values()])
        for found in states:
            if found.state is None:
                continue
            point, _ = self._runs[str(found.id)]
            if not found.state.is_scheduled():
                self._last_progress = time.monotonic()
            if found.state.is_final():
                del self._runs[str(found.id)]
                self._over(point, found)
        if self._runs and time.monotonic() - self._last_progress > NO_WORKER_S:
            self._last_progress = time.monotonic()
            log.warning(
                "%d points are waiting for a worker; start one: prefect worker start "
                "--type process --pool POOL",
                len(self._runs),
            )

    def _over(self, point: Point, found: FlowRun) -> None:
        seconds = found.total_run_time.total_seconds()
        kept = results.find(self._store_url, [point]).get(point.digest)
        state = found.state
        if kept is not None:
            self._session.finished(point, kept, seconds)
        elif state is not None and state.is_crashed() and self._tries[point.digest] < TRIES:
            log.warning("%s crashed (%s); starting it again", point.name, state.message)
            self._submit(point)
        else:
            what = f"{state.type.value.lower()}: {state.message}" if state else "run has no state"
            self._session.failed(point, OverlayflowError(what), seconds)


def _read(client: SyncPrefectClient, runs: Sequence[FlowRun]) -> list[FlowRun]:
    """Read the runs from the server, 200 at a time, which is its page size."""
    found: list[FlowRun] = []
    for start in range(0, len(runs), 200):
        some = [each.id for each in runs[start : start + 200]]
        found += client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=some)))
    return found


def queue(point: Point, there: Collection[str]) -> str:
    """Return the queue whose workers can run a point: the board's, or else the toolchain's.

    Args:
        point: a point of a sweep.
        there: names of the work pool's queues.
    """
    of_board = f"board-{point.board}"
    if of_board in there:
        return of_board
    return "vivado" if named(point.toolchain).licensed else "hls"


def queues(deployment: str) -> frozenset[str]:
    """Return the names of the queues of a deployment's work pool.

    Raises:
        InputError: the deployment does not exist.
        ServerError: the server does not answer.
    """
    server.require()
    with get_client(sync_client=True) as client:
        try:
            pool = client.read_deployment_by_name(deployment).work_pool_name
        except (ObjectNotFound, ValueError) as error:
            raise InputError(
                "the deployment does not exist",
                where=deployment,
                remedy="register it: overlayflow apply, or prefect deploy --all",
            ) from error
        return frozenset(each.name for each in client.read_work_queues(work_pool_name=pool))
