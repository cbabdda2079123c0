"""Flow benchmark_package: a package that exists is measured on a board."""

from pathlib import Path

from prefect import flow

from flows.parameters import GateSettings, MeasureSettings
from tasks import gates, pipeline, run_logs
from tasks.benchmark import benchmark
from tasks.caching import open_store
from tasks.publish import publish
from tasks.records import Run
from tasks.transfer import transfer
from tasks.validate import validate


@flow(name="benchmark-package", flow_run_name="{package.name} on {board}", retries=0)
def benchmark_package(
    package: Path,
    board: str = "twin",
    limits: GateSettings = GateSettings(),
    measurement: MeasureSettings = MeasureSettings(),
) -> Run:
    """Transfer a package to a board, measure, validate and publish.

    Args:
        package: package.tar.gz on the machine that runs this.
        board: name of the board that measures.
        limits: thresholds of the gates.
        measurement: how the board measures.
    """
    run_logs.set_up()
    deployment = transfer(pipeline.import_package(open_store(), package), board)
    run = publish(validate(benchmark(deployment, measurement), limits))
    gates.require(run.verdict.gates)
    return run
