"""Flows check_boards and benchmark_boards: use several boards in parallel."""

from functools import partial
from pathlib import Path

from prefect import flow

from flows.benchmark import BenchmarkAdvanced, measure_package
from tasks.boards.check import BoardCheck
from tasks.check_boards import check_all, publish_table, require_all
from tasks.orchestration import board_block, run_logs, run_names, worker_watch
from tasks.orchestration.caching import open_store
from tasks.processes.threads import side_by_side
from tasks.publish_comparison import publish_comparison
from tasks.reporting import comparison
from tasks.reporting.comparison import Comparison
from tasks.steps import building


@flow(
    name="check-boards",
    flow_run_name=run_names.given_or(lambda _: run_names.by_time("health", "%Y-%m-%d %H:%M")),
    retries=0,
)
def check_boards(boards: tuple[str, ...] = ()) -> tuple[BoardCheck, ...]:
    """Check that boards can be reached and are ready to measure, and publish one table.

    Args:
        boards: Names of boards; if empty, all added boards and all running twins.
    """
    run_logs.set_up()
    worker_watch.watch()
    checks = check_all(boards, overlay=False, as_tasks=True)
    publish_table(checks)
    return require_all(checks)


@flow(
    name="benchmark-boards",
    flow_run_name=run_names.given_or(lambda given: f"{given['package'].name} on boards"),
    retries=0,
)
def benchmark_boards(
    package: Path,
    boards: tuple[str, ...] = (),
    advanced: BenchmarkAdvanced = BenchmarkAdvanced(),
) -> Comparison:
    """Measure a package on several boards in parallel; a board that fails does not stop the others.

    Args:
        package: Path of package.tar.gz on the machine that runs this flow.
        boards: Names of boards, or requirements; if empty, all boards that can run the package.
            Example: ["lab-1", "kind=pynq-z2,tag=lab"]
        advanced: Gates, measurement, and whether the package is trusted.
    """
    run_logs.set_up()
    worker_watch.watch()
    imported = building.imported(package, trusted=advanced.trusted).get(open_store())
    calls = {
        name: partial(measure_package, imported, name, advanced.limits, advanced.measurement)
        for name in board_block.taking(imported.manifest, boards)
    }
    compared = comparison.compare(side_by_side(calls))
    publish_comparison(compared, imported)
    return comparison.require_all(compared)
