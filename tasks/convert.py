"""Step convert: a trained model becomes an hls4ml project with golden outputs."""

from pathlib import Path

from prefect import task

from tasks import pipeline, run_times
from tasks.caching import open_store
from tasks.records import ConvertSettings, HlsProject


@task(name="convert", task_run_name="convert {model.name}", persist_result=True)
@run_times.timed
def convert(model: Path, data: Path, settings: ConvertSettings) -> HlsProject:
    """Convert a model with hls4ml and run its C simulation on the test samples."""
    return pipeline.convert(open_store(), model, data, settings)
