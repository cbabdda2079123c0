"""Step synthesize: turn an hls4ml project into RTL."""

from prefect import task

from tasks.core.records.design import HlsProject, Synthesis
from tasks.core.records.settings import BuildSettings
from tasks.orchestration import progress, run_times
from tasks.orchestration.caching import open_store, stored
from tasks.steps import building
from tasks.steps.building import Recipe
from tasks.toolchains.choice import named


def _recipe(project: HlsProject, toolchain: str, build: BuildSettings) -> Recipe[Synthesis]:
    return building.synthesize(project, named(toolchain, build=build))


@stored(_recipe)
@task(
    name="synthesize",
    task_run_name="synthesize {project.settings.project_name} with {toolchain}",
    persist_result=True,
)
@run_times.timed
def synthesize(project: HlsProject, toolchain: str, build: BuildSettings) -> Synthesis:
    """Synthesize an hls4ml project with a toolchain's synthesizer."""
    pair = named(toolchain, build=build, hooks=progress.hooks("synthesize"))
    return building.synthesize(project, pair).get(open_store())
