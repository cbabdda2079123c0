"""The eight steps as a plain script without Prefect, with which the flow is compared."""

import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from tasks.boards import twins
from tasks.boards.lease import lease
from tasks.core.records.measurement import Run
from tasks.core.records.settings import ConvertSettings, MeasureSettings
from tasks.core.settings import store_url
from tasks.packaging.archive import PACKAGE_FILE
from tasks.quality import outputs
from tasks.quality.gates import GateSettings
from tasks.reporting import charts, page
from tasks.steps import building, measuring
from tasks.store.store import Store
from tasks.toolchains.choice import named


def main(model: Path, data: Path) -> None:
    """Convert, synthesize, implement, package, deploy, benchmark, judge, report."""
    store, toolchain = Store(store_url()), named("open")
    project = building.convert(model, data, ConvertSettings(project_name="digits")).get(store)
    synthesis = building.synthesize(project, toolchain).get(store)
    implementation = building.implement(synthesis, toolchain).get(store)
    package = building.package(implementation, (), model).get(store)
    address, settings = twins.twin_address("twin"), MeasureSettings()
    if address is None:
        raise SystemExit("the twin is not running; start it with: overlayflow twin start")
    with lease([address], "compare", duration_s=settings.deadline_s) as mine:
        deployment = measuring.deploy(store, package, address)
        run_id = uuid.uuid4().hex
        measurement = measuring.benchmark(
            store, address, deployment, settings, lease_id=mine.id, run_id=run_id
        )
    found = outputs.outputs(measurement, store.files(package.entry) / PACKAGE_FILE)
    judged = outputs.judge(measurement, found, GateSettings())
    run = Run(
        flow_run_id=run_id,
        flow_run_name="plain",
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=judged,
    )
    archive = store.files(package.entry) / PACKAGE_FILE
    text = page.page(run, charts.charts(run, found), archive)
    (Path(measurement.directory) / "report.html").write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
