"""Flow benchmark_package: a package that exists is measured on a board."""

from pathlib import Path

from prefect import flow

from flows.parameters import GateSettings, MeasureSettings
from tasks import gates, orphans, pipeline, run_logs
from tasks.benchmark import benchmark
from tasks.caching import open_store
from tasks.leasing import leased
from tasks.publish import publish, tell_failure
from tasks.records import Package, Run
from tasks.transfer import transfer
from tasks.validate import validate


@flow(
    name="benchmark-package",
    flow_run_name="{package.name} on {board}",
    retries=0,
    on_failure=[tell_failure],
)
def benchmark_package(
    package: Path,
    board: str = "twin",
    limits: GateSettings = GateSettings(),
    measurement: MeasureSettings = MeasureSettings(),
) -> Run:
    """Transfer a package to a board, measure, validate and publish.

    Args:
        package: package.tar.gz on the machine that runs this.
        board: name of the board that measures, or what it must be: kind=pynq-z2,tag=lab.
        limits: thresholds of the gates.
        measurement: how the board measures.
    """
    run_logs.set_up()
    orphans.watch()
    return _measure(pipeline.import_package(open_store(), package), board, limits, measurement)


@flow(
    name="measure-package",
    flow_run_name="{package.manifest.project_name} on {board}",
    retries=0,
    on_failure=[tell_failure],
)
def measure_package(
    package: Package, board: str, limits: GateSettings, measurement: MeasureSettings
) -> Run:
    """As benchmark_package, for a package of the store.

    Args:
        package: of the store.
        board: name of the board that measures.
        limits: thresholds of the gates.
        measurement: how the board measures.
    """
    return _measure(package, board, limits, measurement)


def _measure(
    package: Package, board: str, limits: GateSettings, measurement: MeasureSettings
) -> Run:
    with leased(board, f"measure {package.manifest.model_name}", measurement) as lease:
        measured = benchmark(transfer(package, lease), measurement, lease)
    run = publish(validate(measured, limits))
    gates.require(run.verdict.gates)
    return run
