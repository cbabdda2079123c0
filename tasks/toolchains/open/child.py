"""Implements a core as a .bit and a .hwh for the twin, in a child process."""

import logging
from pathlib import Path

from tasks.core.records.base import Record
from tasks.core.records.design import Resources, Synthesis, Utilisation
from tasks.processes.child import child_main
from tasks.processes.threads import both
from tasks.toolchains.open.twin import shelled, write_handoff, write_image
from tasks.toolchains.open.utilisation import utilisation


class ImplementRequest(Record):
    """A request to implement a core.

    Attributes:
        core: directory with the core's RTL.
        synthesis: that made the core.
        available: primitives of the part.
        out: directory for `<project_name>.bit`, `<project_name>.hwh`, the top module and logs.
    """

    core: Path
    synthesis: Synthesis
    available: Resources
    out: Path


class ImplementReport(Record):
    """The results besides the files.

    Attributes:
        clock_mhz: the processing system's clock closest to the requested one.
        utilisation: of core and shell.
    """

    clock_mhz: float
    utilisation: Utilisation


def implement(request: ImplementRequest) -> ImplementReport:
    """Build a design for the twin while Yosys counts its primitives.

    If one of the two fails, the other is stopped.

    Raises:
        UnsupportedModelError: the shell does not support the core, part, board or number format.
        InputError: the processing system cannot generate the clock.
        ToolError: Verilator, g++ or Yosys failed.
    """
    project, out = request.synthesis.project, request.out
    name = project.settings.project_name
    clock = write_handoff(project, out / f"{name}.hwh")
    design = shelled(request.synthesis, request.core, out)

    def count() -> Utilisation:
        core, layers = f"{name}_core", request.synthesis.layers
        shell = "stream_shell" if request.synthesis.core == "folded" else "axis_shell"
        return utilisation(
            design,
            request.available,
            part=project.part,
            modules=(core, shell, "cycle_counters"),
            core=core if layers else "",
            units=len(layers),
            logs=out,
        )

    def build() -> None:
        write_image(design, project.part, out / f"{name}.bit", out)

    counted, _ = both(count, build)
    return ImplementReport(clock_mhz=clock.mhz, utilisation=counted)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    child_main(ImplementRequest, implement)
