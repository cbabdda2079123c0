"""Step package: pack a design, its test data, driver and runner into package.tar.gz."""

from pathlib import Path

from prefect import task
from prefect.runtime import flow_run

from tasks.core.records.design import Gate, Implementation
from tasks.core.records.package import Package
from tasks.orchestration import run_times
from tasks.orchestration.caching import open_store, stored
from tasks.steps import building
from tasks.steps.building import Recipe


def _recipe(
    implementation: Implementation, passed: tuple[Gate, ...], model: Path
) -> Recipe[Package]:
    return building.package(implementation, passed, model)


@stored(_recipe)
@task(
    name="package",
    task_run_name="package {implementation.synthesis.project.settings.project_name}",
    persist_result=True,
)
@run_times.timed
def package(implementation: Implementation, passed: tuple[Gate, ...], model: Path) -> Package:
    """Package a design with a manifest that records its origin."""
    return building.package(implementation, passed, model, flow_run.id).get(open_store())
