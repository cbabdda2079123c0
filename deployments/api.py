"""The Python interface: run a model, read, compare and load what runs have measured.

What comes back are the records of `tasks/core/records/measurement.py`. Steps one by one, without
Prefect, are in `tasks/steps/`.
"""

from pathlib import Path

from deployments import hidden, machine  # noqa: F401  hidden: before what it checks
from deployments.cli import surroundings
from tasks.boards.twins import start_twin, stop_twin
from tasks.core.records.measurement import Run
from tasks.core.records.settings import ConvertSettings, MeasureSettings
from tasks.core.settings import store_url
from tasks.packaging.archive import PACKAGE_FILE
from tasks.quality import outputs as measured
from tasks.quality.gates import GateSettings
from tasks.reporting import history
from tasks.reporting.history import Wanted
from tasks.reporting.run_comparison import compare
from tasks.steps import measuring
from tasks.store.store import Store
from tasks.toolchains.choice import ToolchainChoice

__all__ = ["Wanted", "compare", "find", "outputs", "run", "runs", "start_twin", "stop_twin"]


def run(
    model: Path | str,
    data: Path | str | None = None,
    *,
    board: str = "twin",
    conversion: ConvertSettings = ConvertSettings(),
    toolchain: ToolchainChoice = "auto",
    limits: GateSettings = GateSettings(),
    measurement: MeasureSettings = MeasureSettings(),
) -> Run:
    """Run the flow deploy-model, with a Prefect server of its own unless one is set up.

    Args:
        model: the model file.
        data: test data; random inputs without them.
        board: name of the board, or requirements such as kind=pynq-z2,tag=lab.
        conversion: how hls4ml converts the model.
        toolchain: auto, open, vivado or vivado-hls.
        limits: thresholds of the gates.
        measurement: how the board measures.

    Raises:
        GateError: a gate failed; its `run` has the figures if the board has been measured.
        OverlayflowError: something else failed; the message says what to do.
    """
    surroundings.settle()
    machine.set_up_prefect()
    from deployments.prefect_server import prefect_server
    from flows.deploy import DeployAdvanced, deploy_model

    with prefect_server():
        return deploy_model(
            model=Path(model).absolute(),
            data=None if data is None else Path(data).absolute(),
            board=board,
            conversion=conversion,
            toolchain=toolchain,
            advanced=DeployAdvanced(limits=limits, measurement=measurement),
        )


def runs(wanted: Wanted = history.EVERY, *, limit: int = 20) -> tuple[Run, ...]:
    """Return the runs that are wanted, newest first."""
    return history.runs(store_url(), wanted, limit=limit)


def find(name: str) -> Run:
    """Return the run of an id, the beginning of one, or a name.

    Raises:
        InputError: no run matches, or several do.
    """
    return history.find(store_url(), name)[0]


def outputs(run: Run) -> measured.Outputs:
    """Return what was expected, what the C simulation gave and what the board gave, as arrays.

    Raises:
        StoreError: the store has lost the run's package or results.
    """
    store = Store(store_url())
    package = run.verdict.measurement.deployment.package
    archive = store.files(package.entry) / PACKAGE_FILE
    return measured.outputs(measuring.at_hand(store, run.verdict.measurement), archive)
