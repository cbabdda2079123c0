"""Flow benchmark_nightly: measure every accepted package again, on the board it was accepted on."""

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact

from flows.benchmark import measure_package
from tasks.core.errors import OverlayflowError
from tasks.core.records.base import Settings
from tasks.core.records.settings import MeasureSettings
from tasks.core.settings import store_url
from tasks.orchestration import board_block, run_logs, run_names, worker_watch
from tasks.orchestration.caching import open_store
from tasks.quality import baselines
from tasks.quality.gates import GateSettings
from tasks.steps import registry


class NightlyAdvanced(Settings):
    """What most nights leave alone.

    Attributes:
        limits: Thresholds of the gates. Example: {"baseline": "fail", "slowdown": 0.1}
        measurement: How boards measure. Example: {"passes": 5, "wait_s": 7200}
    """

    limits: GateSettings = GateSettings(baseline="fail")
    measurement: MeasureSettings = MeasureSettings()


@flow(
    name="benchmark-nightly",
    flow_run_name=run_names.given_or(lambda _: run_names.by_time("nightly", "%Y-%m-%d")),
    retries=0,
)
def benchmark_nightly(
    boards: tuple[str, ...] = (),
    projects: tuple[str, ...] = (),
    advanced: NightlyAdvanced = NightlyAdvanced(),
) -> list[registry.Outcome]:
    """Measure again what was accepted, each in its own run, and compare it with its baseline.

    Args:
        boards: Names of boards; if empty, all added boards and all running twins.
        projects: Names of projects; if empty, all with a baseline.
        advanced: Gates and measurement.
    """
    run_logs.set_up()
    worker_watch.watch()
    found, gone = board_block.named(boards)
    outcomes = [registry.gone(name, error) for name, error in gone.items()]
    accepted = baselines.every(store_url())
    if not accepted:
        get_run_logger().warning("no run was accepted yet: overlayflow baseline accept RUN")
    for package, board in registry.pairs(open_store(), found, projects, accepted):
        try:
            run = measure_package(package, board, advanced.limits, advanced.measurement)
        except OverlayflowError as error:
            outcomes.append(registry.failed(package, board, error))
        else:
            outcomes.append(registry.passed(run))
    create_table_artifact(
        [each.model_dump(exclude={"schema_version"}) for each in outcomes],
        key="nightly-results",
        description="Every accepted package on its board",
    )
    registry.require_all(outcomes)
    return outcomes
