"""The dress rehearsal: the RTL that Vivado is to build runs on a twin first, bit for bit."""

from pathlib import Path

from tasks.boards import measurement
from tasks.boards.lease import lease
from tasks.boards.twins import private_twin
from tasks.core.records.base import Entry
from tasks.core.records.design import Implementation
from tasks.core.records.measurement import Measurement
from tasks.core.records.settings import MeasureSettings
from tasks.packaging.archive import board_program_digests
from tasks.steps import building, measuring
from tasks.steps.building import Recipe
from tasks.store.code import code_digest
from tasks.store.store import Store

# Enough to see every sample once, and a few latencies.
_SETTINGS = MeasureSettings(passes=1, batches=(1, 4))
_TRANSFER_S = 900.0


def rehearse(image: Implementation, model: Path) -> Recipe[Measurement]:
    """Return the recipe of a measurement on a twin of the board's kind.

    Args:
        image: the design for the twin.
        model: the model file.
    """
    project = image.synthesis.project

    def make(store: Store, entry: Entry, out: Path) -> Measurement:
        package = building.package(image, (), model).get(store)
        with private_twin(project.settings.board_kind) as address:
            duration_s = _SETTINGS.deadline_s + _TRANSFER_S
            with lease([address], "a dress rehearsal", duration_s=duration_s) as mine:
                deployment = measuring.deploy(store, package, address)
                measured = measurement.measure(address, deployment, _SETTINGS, mine.id, out)
        return measured.model_copy(update={"entry": entry})

    inputs = {
        "implementation": image.entry.digest,
        "board_programs": board_program_digests(),
        "code": code_digest("tasks/steps/rehearsal.py", "board/twin"),
    }
    return Recipe("rehearse", inputs, Measurement, make, project.model_name)
