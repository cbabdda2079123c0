"""Step synthesize: an hls4ml project becomes RTL."""

from prefect import task

from tasks import building, pipeline, run_times
from tasks.caching import open_store
from tasks.records import BuildSettings, HlsProject, Synthesis, ToolchainName
from tasks.toolchains.toolchain import choose


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
    chosen = choose(toolchain, build=build, hooks=building.hooks("synthesize"))
    return pipeline.synthesize(open_store(), chosen, project)
