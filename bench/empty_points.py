"""A sweep whose points do nothing, in as many tasks as real ones, to measure orchestration.

python -m bench.empty_points SWEEP_FILE [DEPLOYMENT] prints the seconds that the sweep took, by
itself or by the workers of a deployment of `empty_point`. BENCH_RUN names the record of a run whose
figures all points get.
"""

import os
import sys
import time
from pathlib import Path

from prefect import flow, tags, task
from prefect.context import TagsContext
from prefect.runtime import flow_run

from tasks.core.records.measurement import Run
from tasks.core.settings import home, store_url
from tasks.orchestration import run_logs, server, sweep_dispatch
from tasks.publish_sweep import publish_sweep
from tasks.sweeps import results
from tasks.sweeps.file import SweepFile
from tasks.sweeps.points import Point
from tasks.sweeps.session import Session

STEPS = 8


@task
def step() -> None:
    """Nothing."""


@flow(name="empty-point", flow_run_name="{point.name}", retries=0)
def empty_point(point: Point) -> Run:
    """Do what sweep_point does, without the work."""
    with TagsContext(current_tags=set()):
        for _ in range(STEPS):
            step()
    template = Path(os.environ["BENCH_RUN"]).read_text(encoding="utf-8")
    found = Run.model_validate_json(template)
    found = found.model_copy(update={"flow_run_id": str(flow_run.id)})
    results.keep(store_url(), point, found)
    return found


@flow(name="empty-sweep", retries=0)
def empty_sweep(sweep: Path, deployment: str) -> None:
    """Do what sweep_models does, with empty points."""
    run_logs.set_up()
    session = Session(SweepFile(sweep), store_url(), home() / "sweeps" / "empty", server.require)
    if deployment:
        sweep_dispatch.run(session, deployment, "sweep:empty", store_url())
    else:
        with tags("sweep:empty"):
            session.run(server.again_if_busy(empty_point))
    report = publish_sweep(session.report(str(flow_run.id)))
    if report.count("done") != len(report.results):
        raise RuntimeError(str(report.results))


if __name__ == "__main__":
    started = time.monotonic()
    empty_sweep(Path(sys.argv[1]), (sys.argv[2:] or [""])[0])
    print(time.monotonic() - started)
