"""Points on one machine: as many at a time as it can bear, and none waiting for another's build.

Points that share a build would wait for each other on the store's lock: while one of them builds,
the others stay back as long as there is something else to do.
"""

import concurrent.futures
import contextvars
import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tasks.processes.threads import interrupt
from tasks.sweeps.build_conflicts import first_apart
from tasks.sweeps.points import Point

_log = logging.getLogger(__name__)
# The largest child of a small design: TensorFlow during the conversion, Yosys after it.
POINT_BYTES = 2 * 10**9
# Prefect kills a process 30 s after it asked it to stop.
STOP_S = 25.0


def workers(asked: int | None) -> int:
    """Points at a time: what was asked for, or as many as cores and free memory allow."""
    if asked is not None:
        return asked
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, _available_bytes() // POINT_BYTES))


def _available_bytes() -> int:
    """Memory that new processes can have without swapping."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return int(found["MemAvailable"].split()[0]) * 1024


def run_all(
    points: Sequence[Point],
    run: Callable[[Point], object],
    *,
    limit: int,
    converted: Callable[[Point], bool],
    stop: threading.Event,
) -> None:
    """Call `run` for each point, at most `limit` at a time, until all are done or `stop` is set.

    Args:
        points: to run, in this order as far as shared builds allow.
        run: must not raise.
        limit: threads.
        converted: whether a point's convert entry is there.
        stop: when set, no further point is started; those that run are waited for.

    On an exception in this thread (Ctrl-C, cancellation) the threads get one, too, and their tools
    are stopped.
    """
    waiting = list(points)
    running: dict[Future[object], Point] = {}
    threads: dict[str, int] = {}

    def call(point: Point) -> object:
        threads[point.digest] = threading.get_ident()
        try:
            return run(point)
        finally:
            del threads[point.digest]

    pool = ThreadPoolExecutor(limit, thread_name_prefix="point")
    try:
        while (waiting and not stop.is_set()) or running:
            while waiting and len(running) < limit and not stop.is_set():
                # With nothing else to do, waiting for another's build costs nothing.
                point = first_apart(waiting, running.values(), converted) or waiting[0]
                waiting.remove(point)
                # Each thread gets the caller's context: Prefect's flow run, its tags, its logs.
                running[pool.submit(contextvars.copy_context().run, call, point)] = point
            done, _ = concurrent.futures.wait(
                running, timeout=0.5, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                del running[future]
                future.result()
    except BaseException:
        _log.warning("stopping %d points", len(running))
        interrupt(threads.values())
        concurrent.futures.wait(running, timeout=STOP_S)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
