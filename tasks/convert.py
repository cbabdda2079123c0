"""Step convert: turn a trained model into an hls4ml project with golden outputs."""

from pathlib import Path

from prefect import task

from tasks.core.records.design import HlsProject
from tasks.core.records.settings import ConvertSettings
from tasks.orchestration import run_times
from tasks.orchestration.caching import open_store, stored
from tasks.steps import building


@stored(building.convert)
@task(name="convert", task_run_name="convert {model.name}", persist_result=True)
@run_times.timed
def convert(
    model: Path, data: Path | None, settings: ConvertSettings, *, traced: bool = False
) -> HlsProject:
    """Convert a model with hls4ml and run its C simulation on the test samples."""
    return building.convert(model, data, settings, traced=traced).get(open_store())
