"""A sweep in progress: the results so far, the points still to run, and when to give up."""

import errno
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from board.kinds import board_kinds
from tasks.core.errors import OverlayflowError, ServerError, StoreError, ToolError, causes
from tasks.core.records.measurement import Run
from tasks.processes.log import DISK_FULL
from tasks.store.store import Store
from tasks.sweeps import results, schedule, search
from tasks.sweeps.estimate import Estimate, estimate
from tasks.sweeps.file import SweepFile
from tasks.sweeps.points import Point, count
from tasks.sweeps.results import PointResult, PointState, SweepReport
from tasks.toolchains.base import Listener, Progress

log = logging.getLogger(__name__)

RunPoint = Callable[[Point], Run]


class Session:
    """One execution of a sweep.

    Attributes:
        file: the sweep.
        results: results by the digest of their point, in the order of the sweep.
        ended_by: the error that ended the sweep; None if there was none.

    Args:
        file: the sweep.
        store_url: store in which results are kept.
        directory: directory for the report.
        require_server: raises ServerError if the Prefect server does not answer.
        listener: receives the sweep's progress.
    """

    def __init__(
        self,
        file: SweepFile,
        store_url: str,
        directory: Path,
        require_server: Callable[[], None],
        listener: Listener = lambda _: None,
    ) -> None:
        self.file = file
        self.results: dict[str, PointResult] = {}
        self.ended_by: OverlayflowError | None = None
        self._store_url = store_url
        self._store = Store(store_url)
        self._directory = directory
        self._require_server = require_server
        self._stop = threading.Event()
        self._listener = listener
        self._telling = threading.Lock()
        self._running: set[str] = set()
        self._began = time.monotonic()
        self._ran = 0

    def run(self, run_point: RunPoint) -> None:
        """Run every point that has no result yet, on this machine.

        Args:
            run_point: runs a point; called from several threads.
        """
        limit = schedule.workers(self.file.spec.workers)
        for batch in search.batches(self.file, limit, self.results):
            todo = self.plan(batch)
            log.info("%d of %d points to run, %d at a time", len(todo), len(batch), limit)
            schedule.run_all(
                todo,
                lambda point: self.attempt(point, run_point),
                limit=limit,
                converted=self.converted,
                stop=self._stop,
            )
            if self._stop.is_set():
                break

    def plan(self, points: Sequence[Point]) -> list[Point]:
        """Take results from the store, prune points that cannot fit, and return those to run."""
        kept = results.find(self._store_url, points)
        todo = []
        for point in points:
            guess = estimate(point.model, point.conversion, point.toolchain)
            if point.digest in kept:
                self._add(results.result(point, "stored", kept[point.digest], guess))
            elif (reason := too_big(point, guess, self.file.spec.prune_above)) is not None:
                self._add(PointResult(point=point, state="pruned", message=reason, estimate=guess))
            else:
                self._add(PointResult(point=point, state="not run", estimate=guess))
                todo.append(point)
        return todo

    def attempt(self, point: Point, run_point: RunPoint) -> None:
        """Run one point; keep a failure, which ends the sweep only if all others would fail."""
        started = time.monotonic()
        self.started(point)
        try:
            self.finished(point, run_point(point), time.monotonic() - started)
        except Exception as error:  # noqa: BLE001  a failed point must not end the others
            self.failed(point, error, time.monotonic() - started)

    def started(self, point: Point) -> None:
        """Count a point among those that run."""
        self._running.add(point.digest)
        self._tell()

    def finished(self, point: Point, run: Run, seconds: float) -> None:
        """Keep a point's run."""
        guess = self.results[point.digest].estimate
        self._over(results.result(point, "done", run, guess, seconds))

    def failed(self, point: Point, error: Exception, seconds: float) -> None:
        """Keep the reason of a failure; end the sweep if every other point would fail, too."""
        old = self.results[point.digest]
        cause = self._hopeless(error)
        state: PointState = "not run" if cause else "failed"
        message = str(cause or error) or type(error).__name__
        log.warning("%s: %s", point.name, message)
        self._over(old.model_copy(update={"state": state, "message": message, "seconds": seconds}))
        if cause is not None and self.ended_by is None:
            self.ended_by = cause
            self._stop.set()

    def converted(self, point: Point) -> bool:
        """Return whether a point's convert entry is in the store."""
        return self._store.has(point.convert)

    def report(self, flow_run_id: str) -> SweepReport:
        """Return the report of the results so far."""
        found = tuple(self.results.values())
        return SweepReport(
            name=self.file.spec.name,
            results=found,
            front=results.front(found),
            flow_run_id=flow_run_id,
            directory=str(self._directory),
        )

    def _add(self, result: PointResult) -> None:
        self.results[result.point.digest] = result

    def _over(self, result: PointResult) -> None:
        """Keep the result of a point that ran."""
        self._add(result)
        self._running.discard(result.point.digest)
        self._ran += 1
        self._tell()

    def _tell(self) -> None:
        """Tell the listener how many points are over, and how long the others may take."""
        with self._telling:  # points end in threads of their own
            found = Counter(each.state for each in self.results.values())
            total = max(count(self.file), len(self.results))
            left = total - (len(self.results) - found["not run"])
            elapsed_s = time.monotonic() - self._began
            done = found["done"] + found["stored"] + found["pruned"]
            words = [f"{done} of {total} points done", f"{len(self._running)} running"]
            if found["failed"]:
                words.insert(1, f"{found['failed']} failed")
            self._listener(
                Progress(
                    phase=", ".join(words),
                    fraction=1 - left / total,
                    elapsed_s=elapsed_s,
                    left_s=left * elapsed_s / self._ran if self._ran else None,
                )
            )

    def _hopeless(self, error: Exception) -> OverlayflowError | None:
        """Return the error if it would hit every other point, too: store, disk or server."""
        for each in causes(error):
            if isinstance(each, StoreError | ServerError):
                return each
            full = isinstance(each, OSError) and each.errno in {errno.ENOSPC, errno.EDQUOT}
            if full or (isinstance(each, ToolError) and DISK_FULL.search(str(each))):
                return StoreError(
                    "the disk is full",
                    where=self._store_url,
                    remedy="free some space, e.g. with `overlayflow store prune`",
                )
        if isinstance(error, OverlayflowError):
            return None
        try:
            self._require_server()
        except ServerError as gone:
            return gone
        return None


def too_big(point: Point, guess: Estimate | None, above: float) -> str | None:
    """Return why a point should be pruned, or None."""
    if guess is None:
        return None
    have = board_kinds()[point.conversion.board_kind].resources
    for name in ("lut", "dsp"):
        need, there = getattr(guess, name), getattr(have, name)
        if there and need > above * there:
            return (
                f"needs an estimated {need:,} {name.upper()}, {need / there:.1f} times the "
                f"{there:,} of a {point.conversion.board_kind}; points above {above:g} times are "
                "not started (prune_above)"
            )
    return None
