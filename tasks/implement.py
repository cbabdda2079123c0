"""Step implement: turn RTL into a design that can be loaded."""

from dataclasses import replace

from prefect import task

from tasks.core.records.design import Implementation, Synthesis, Utilisation
from tasks.orchestration import progress, run_times
from tasks.orchestration.caching import open_store
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tasks.steps import building
from tasks.toolchains.choice import choose


@task(
    name="implement",
    task_run_name="implement {synthesis.project.settings.project_name} for "
    "{synthesis.project.part}",
    persist_result=True,
)
@run_times.timed
def implement(synthesis: Synthesis, limits: GateSettings) -> Implementation:
    """Implement a synthesis with the toolchain that made it.

    A design that is too big by the limits ends before it is placed, where the toolchain places.
    """

    def fits(utilisation: Utilisation) -> None:
        gates.require(gates.before_placement(utilisation, synthesis.project.part, limits))

    hooks = replace(progress.hooks("implement"), fits=fits)
    chosen = choose(synthesis.toolchain, hooks=hooks)
    return building.implement(open_store(), chosen, synthesis)
