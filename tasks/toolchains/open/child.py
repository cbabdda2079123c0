"""Child process of the step implement: a core becomes a .bit and a .hwh for the twin."""

import logging
from pathlib import Path

from tasks.core.records.base import Record
from tasks.core.records.design import Resources, Synthesis, Utilisation
from tasks.processes.child import child_main
from tasks.processes.threads import both
from tasks.toolchains.open.twin import shelled, write_handoff, write_image
from tasks.toolchains.open.utilisation import utilisation


class ImplementRequest(Record):
    """What to implement.

    Attributes:
        core: directory with the core's RTL.
        synthesis: that made it.
        available: primitives of the part.
        out: gets `<project_name>.bit`, `<project_name>.hwh`, the top module and the tools' logs.
    """

    core: Path
    synthesis: Synthesis
    available: Resources
    out: Path


class ImplementReport(Record):
    """What came out, beside the files.

    Attributes:
        clock_mhz: what the processing system makes of the clock that was asked for.
        utilisation: of core and shell.
    """

    clock_mhz: float
    utilisation: Utilisation


def implement(request: ImplementRequest) -> ImplementReport:
    """Build a design for the twin; Yosys counts its primitives meanwhile.

    If one of the two fails, the other is stopped.

    Raises:
        UnsupportedModelError: a core, part, board or number format that the shell cannot take.
        InputError: a clock that the processing system cannot make.
        ToolError: Verilator, g++ or Yosys failed.
    """
    project, out = request.synthesis.project, request.out
    name = project.settings.project_name
    clock = write_handoff(project, out / f"{name}.hwh")
    design = shelled(request.synthesis, request.core, out)

    def count() -> Utilisation:
        shell = "stream_shell" if request.synthesis.core == "folded" else "axis_shell"
        modules = (f"{name}_core", shell)
        available, part = request.available, project.part
        return utilisation(design, available, part=part, modules=modules, logs=out)

    def build() -> None:
        write_image(design, project.part, out / f"{name}.bit", out)

    counted, _ = both(count, build)
    return ImplementReport(clock_mhz=clock.mhz, utilisation=counted)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    child_main(ImplementRequest, implement)
