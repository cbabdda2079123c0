"""Flow benchmark_package: measure an existing package on a board."""

from pathlib import Path
from typing import Any

from prefect import flow

from tasks.benchmark import benchmark
from tasks.conversion.names import what_differs
from tasks.core.records.base import Settings
from tasks.core.records.measurement import Run
from tasks.core.records.package import Manifest, Package
from tasks.core.records.settings import MeasureSettings
from tasks.orchestration import run_logs, run_names, worker_watch
from tasks.orchestration.caching import open_store
from tasks.orchestration.leasing import leased
from tasks.publish import judged_if_cut_off, publish, tell_failure
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tasks.steps import building
from tasks.transfer import transfer
from tasks.validate import validate


class BenchmarkAdvanced(Settings):
    """What most measurements leave alone.

    Attributes:
        limits: Thresholds of the gates. Example: {"mode": "warn", "baseline": "ignore"}
        measurement: How boards measure. Example: {"batches": [1, 16], "wait_s": 600}
        trusted: Trust this package from now on, although it was not made on this machine.
    """

    limits: GateSettings = GateSettings()
    measurement: MeasureSettings = MeasureSettings()
    trusted: bool = False


@flow(
    name="benchmark-package",
    flow_run_name=run_names.given_or(
        lambda given: run_names.on_board(given["package"].name, given["board"])
    ),
    retries=0,
    on_failure=[tell_failure],
)
def benchmark_package(
    package: Path,
    board: str = "twin",
    advanced: BenchmarkAdvanced = BenchmarkAdvanced(),
) -> Run:
    """Transfer a package to a board, measure it, validate and publish.

    Args:
        package: Path of package.tar.gz on the machine that runs this flow.
        board: Name of the board, or requirements such as kind=pynq-z2,tag=lab.
        advanced: Gates, measurement, and whether the package is trusted.
    """
    run_logs.set_up()
    worker_watch.watch()
    imported = building.imported(package, trusted=advanced.trusted).get(open_store())
    return _measure(imported, board, advanced.limits, advanced.measurement)


def _name(given: dict[str, Any]) -> str:
    manifest: Manifest = given["package"].manifest
    differs = what_differs(manifest.settings) if manifest.settings else ""
    return run_names.on_board(manifest.project_name, given["board"], differs)


@flow(
    name="measure-package",
    flow_run_name=run_names.given_or(_name),
    retries=0,
    on_failure=[tell_failure],
)
def measure_package(
    package: Package, board: str, limits: GateSettings, measurement: MeasureSettings
) -> Run:
    """Like benchmark_package, for a stored package.

    Args:
        package: The stored package.
        board: Name of the board.
        limits: Thresholds of the gates.
        measurement: How the board measures.
    """
    return _measure(package, board, limits, measurement)


def _measure(
    package: Package, board: str, limits: GateSettings, measurement: MeasureSettings
) -> Run:
    with judged_if_cut_off(package, limits):
        with leased(board, f"measure {package.manifest.model_name}", measurement) as lease:
            measured = benchmark(transfer(package, lease), measurement, lease)
        run = publish(validate(measured, limits))
    gates.require(run.verdict.gates, run)
    return run
