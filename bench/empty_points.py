"""A sweep whose points do nothing, in as many tasks as real ones: what is left is orchestration.

python -m bench.empty_points SWEEP_FILE RUN_JSON prints the seconds that the sweep took.
"""

import sys
import time
from pathlib import Path

from prefect import flow, task
from prefect.runtime import flow_run

from tasks import run_logs, server
from tasks.publish_sweep import publish_sweep
from tasks.records import Run
from tasks.settings import home, store_url
from tasks.sweeps import results
from tasks.sweeps.points import Point
from tasks.sweeps.session import Session
from tasks.sweeps.spec import SweepFile

STEPS = 8


@task
def step() -> None:
    """Nothing."""


@flow(name="empty-point", flow_run_name="{point.name}", retries=0)
def empty_point(point: Point, run: Run) -> Run:
    """As sweep_point, without the work."""
    for _ in range(STEPS):
        step()
    found = run.model_copy(update={"flow_run_id": str(flow_run.id)})
    results.keep(store_url(), point, found)
    return found


@flow(name="empty-sweep", retries=0)
def empty_sweep(sweep: Path, run: Run) -> None:
    """As sweep_models, with empty points."""
    run_logs.set_up()
    session = Session(SweepFile(sweep), store_url(), home() / "sweeps" / "empty", server.require)
    session.run(lambda point: empty_point(point, run))
    publish_sweep(session.report(str(flow_run.id)))


if __name__ == "__main__":
    template = Run.model_validate_json(Path(sys.argv[2]).read_text(encoding="utf-8"))
    started = time.monotonic()
    empty_sweep(Path(sys.argv[1]), template)
    print(time.monotonic() - started)
