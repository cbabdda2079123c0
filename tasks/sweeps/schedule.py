"""Run points on one machine in parallel, as many as it can bear.

Points that share a build would wait for each other at the store's lock. While one of them builds,
the others are held back as long as other points can run.
"""

import concurrent.futures
import contextvars
import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tasks.processes.memory import available_bytes
from tasks.processes.threads import interrupt
from tasks.sweeps.points import Point

_log = logging.getLogger(__name__)
# Memory of a small design's largest child process: TensorFlow in the conversion, then Yosys.
POINT_BYTES = 2 * 10**9
# Prefect kills a process 30 s after asking it to stop.
STOP_S = 25.0


def workers(asked: int | None) -> int:
    """Return how many points to run in parallel: as requested, or as cores and memory allow."""
    if asked is not None:
        return asked
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, available_bytes() // POINT_BYTES))


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
        points: points to run, in this order as far as shared builds allow.
        run: runs a point; must not raise.
        limit: number of threads.
        converted: tells whether a point's convert entry exists.
        stop: when set, no further point is started, and the running ones are waited for.

    An exception in this thread (Ctrl-C, cancellation) is raised in the worker threads, too, so
    their tools are stopped.
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
                # If nothing else is left, waiting for another point's build costs nothing.
                point = first_apart(waiting, running.values(), converted) or waiting[0]
                waiting.remove(point)
                # Each thread inherits the caller's context: Prefect's flow run, its tags and logs.
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


def first_apart(
    waiting: Sequence[Point], running: Iterable[Point], converted: Callable[[Point], bool]
) -> Point | None:
    """Return the first waiting point that shares no unfinished build with a running one, or None.

    Args:
        waiting: points to choose from.
        running: points being built.
        converted: tells whether a point's convert entry exists.
    """
    running = list(running)
    building = {each.build for each in running}
    converting = {each.convert for each in running if not converted(each)}
    for point in waiting:
        if point.build not in building and point.convert not in converting:
            return point
    return None
