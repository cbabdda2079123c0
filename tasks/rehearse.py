"""Step rehearse: run the RTL that Vivado is to build on a twin of the board's kind."""

from pathlib import Path

from prefect import task

from tasks.core.records.design import Implementation
from tasks.core.records.measurement import Measurement
from tasks.orchestration import run_times
from tasks.orchestration.caching import open_store, stored
from tasks.steps import rehearsal


@stored(rehearsal.rehearse)
@task(
    name="rehearse",
    task_run_name="rehearse {image.synthesis.project.settings.project_name}",
    persist_result=True,
)
@run_times.timed
def rehearse(image: Implementation, model: Path) -> Measurement:
    """Measure the design on a twin, before Vivado works on it for long."""
    return rehearsal.rehearse(image, model).get(open_store())
