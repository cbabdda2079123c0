"""Step implement: turn RTL into a design that can be loaded."""

from dataclasses import replace

from prefect import task

from tasks.core.records.design import Implementation, Synthesis, Utilisation
from tasks.orchestration import progress, run_times
from tasks.orchestration.caching import open_store, stored
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tasks.steps import building
from tasks.steps.building import Recipe
from tasks.toolchains.choice import named


def _recipe(synthesis: Synthesis, toolchain: str, limits: GateSettings) -> Recipe[Implementation]:
    del limits  # they end a build, and are no part of what it makes
    return building.implement(synthesis, named(toolchain))


@stored(_recipe)
@task(
    name="implement",
    task_run_name="implement {synthesis.project.settings.project_name} for "
    "{synthesis.project.part}",
    persist_result=True,
)
@run_times.timed
def implement(synthesis: Synthesis, toolchain: str, limits: GateSettings) -> Implementation:
    """Implement a synthesis with a toolchain's implementer.

    A design that the limits call too big ends before it is placed, where the toolchain places.
    """

    def fits(utilisation: Utilisation) -> None:
        gates.require(gates.before_placement(utilisation, synthesis.project.part, limits))

    hooks = replace(progress.hooks("implement"), fits=fits)
    return building.implement(synthesis, named(toolchain, hooks=hooks)).get(open_store())
