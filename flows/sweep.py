"""Flow sweep_models: many settings of a model, each a point with a flow run of its own."""

import contextlib
from pathlib import Path

from prefect import flow, tags
from prefect.context import TagsContext
from prefect.runtime import flow_run

from flows.deploy import deploy_model
from tasks.core.records.measurement import Run
from tasks.core.settings import home, store_url
from tasks.orchestration import run_logs, server, sweep_dispatch, worker_watch
from tasks.publish import tell_failure
from tasks.publish_sweep import publish_sweep
from tasks.sweeps import inputs, results, search
from tasks.sweeps.file import SweepFile
from tasks.sweeps.points import Point
from tasks.sweeps.report import write
from tasks.sweeps.results import SweepReport
from tasks.sweeps.session import Session


@flow(name="sweep-point", flow_run_name="{point.name}", retries=0, on_failure=[tell_failure])
def sweep_point(point: Point) -> Run:
    """The whole way for one point of a sweep; its result is kept for later sweeps.

    Args:
        point: all its settings, as the sweep made them.
    """
    point = inputs.at_hand(store_url(), point, home() / "inputs")
    # The tag of the sweep is the point's: on tasks, Prefect would ask for a slot for each of them.
    with TagsContext(current_tags=set()):
        # The function behind the flow: a run of its own for the same would double the cost.
        run = deploy_model.fn(
            model=point.model,
            data=point.data,
            board=point.board,
            conversion=point.conversion,
            toolchain=point.toolchain,
            limits=point.limits,
            measurement=point.measurement,
        )
    results.keep(store_url(), point, run)
    return run


@flow(
    name="sweep-models",
    flow_run_name="sweep {sweep.stem}",
    retries=0,
    on_failure=[tell_failure],
)
def sweep_models(sweep: Path, point_deployment: str = "", many: bool = False) -> SweepReport:
    """Run every point of a sweep file that has no result yet, and compare all of them.

    Args:
        sweep: the sweep file (YAML) on the machine that runs this.
        point_deployment: run the points as runs of this deployment, on its workers, for instance
            sweep-point/sweep-point; empty runs them here.
        many: start even if it has more than 200 points.
    """
    run_logs.set_up()
    worker_watch.watch()
    file = SweepFile(sweep)
    if not many:
        search.refuse_too_many(file)
    session = Session(file, store_url(), home() / "sweeps" / file.spec.name, server.require)
    tag = f"sweep:{file.spec.name}"
    if point_deployment:
        sweep_dispatch.run(session, point_deployment, tag, store_url())
    else:
        with tags(tag):
            session.run(sweep_point)
    report = session.report(str(flow_run.id))
    if session.ended_by is not None:
        with contextlib.suppress(OSError):  # nothing more: the server or the disk ended it
            write(report)
        raise session.ended_by
    return publish_sweep(report)
