"""Step synthesize: turn an hls4ml project into RTL."""

from prefect import task

from tasks.core.records.base import ToolchainName
from tasks.core.records.design import HlsProject, Synthesis
from tasks.core.records.settings import BuildSettings
from tasks.orchestration import progress, run_times
from tasks.orchestration.caching import open_store
from tasks.steps import building
from tasks.toolchains.choice import choose


@task(
    name="synthesize",
    task_run_name="synthesize {project.settings.project_name} with {toolchain}",
    persist_result=True,
)
@run_times.timed
def synthesize(
    project: HlsProject, toolchain: ToolchainName, build: BuildSettings | None = None
) -> Synthesis:
    """Synthesize an hls4ml project with a toolchain."""
    chosen = choose(toolchain, build=build, hooks=progress.hooks("synthesize"))
    return building.synthesize(open_store(), chosen, project)
