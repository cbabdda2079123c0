"""Step implement: RTL becomes a design that can be loaded."""

from prefect import task

from tasks import building, pipeline, run_times
from tasks.caching import open_store
from tasks.records import Implementation, Synthesis
from tasks.toolchains.toolchain import choose


@task(
    name="implement",
    task_run_name="implement {synthesis.project.settings.project_name} for "
    "{synthesis.project.part}",
    persist_result=True,
)
@run_times.timed
def implement(synthesis: Synthesis) -> Implementation:
    """Implement a synthesis with the toolchain that made it."""
    chosen = choose(synthesis.toolchain, synthesis.project, hooks=building.hooks("implement"))
    return pipeline.implement(open_store(), chosen, synthesis)
