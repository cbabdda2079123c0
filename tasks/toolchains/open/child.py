"""Child process of the step implement: a core becomes a .bit and a .hwh for the twin."""

import logging
import tempfile
from pathlib import Path

from tasks.core.errors import UnsupportedModelError
from tasks.core.records.base import Record
from tasks.core.records.design import Resources, Synthesis, Utilisation
from tasks.hardware.bitfile import fabric_image, write_bit
from tasks.hardware.clocks import fabric_clock
from tasks.hardware.hwh_write import write_hwh
from tasks.processes.child import child_main
from tasks.processes.threads import both
from tasks.toolchains.open.image import build_fabric_image
from tasks.toolchains.open.utilisation import utilisation
from tasks.toolchains.shell.shell import write_design


class ImplementRequest(Record):
    """What to implement.

    Attributes:
        core: directory with the core's RTL.
        synthesis: that made it.
        available: primitives of the part.
        processing_system: of the board, as board/kinds.toml names it.
        out: gets `<project_name>.bit`, `<project_name>.hwh`, the top module and the tools' logs.
    """

    core: Path
    synthesis: Synthesis
    available: Resources
    processing_system: str
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
    synthesis, out = request.synthesis, request.out
    project, name = synthesis.project, synthesis.project.settings.project_name
    if synthesis.interval_cycles != 1:
        raise UnsupportedModelError(
            f"the core takes a sample every {synthesis.interval_cycles} cycles, not every cycle",
            where=name,
            remedy="implement it with the toolchain that synthesized it",
        )
    clock = fabric_clock(request.processing_system, 1000.0 / project.settings.clock_period_ns)
    write_hwh(
        out / f"{name}.hwh",
        project_name=name,
        part=project.part,
        system=request.processing_system,
        clock=clock,
    )
    design = write_design(
        sorted(request.core.glob("*.v")),
        project_name=name,
        input=project.input,
        output=project.output,
        latency_cycles=synthesis.latency_cycles,
        directory=out,
    )
    with tempfile.TemporaryDirectory() as scratch:

        def count() -> Utilisation:
            modules = (f"{name}_core", "axis_shell")
            available, part = request.available, project.part
            return utilisation(design, available, part=part, modules=modules, logs=out)

        def build() -> None:
            library = build_fabric_image(design, Path(scratch, "fabric.so"), logs=out)
            image = fabric_image(library.read_bytes())
            write_bit(out / f"{name}.bit", image, design=design.top, part=project.part)

        counted, _ = both(count, build)
    return ImplementReport(clock_mhz=clock.mhz, utilisation=counted)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    child_main(ImplementRequest, implement)
