"""Implementation with open tools, in a process of its own: two tools side by side.

When the process that asked is stopped, the guard of this one stops it and both tools.

python -m tasks.toolchains.hdl.child REQUEST RESULT
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tasks.records import Record, Resources, Synthesis, Utilisation
from tasks.toolchains.child import child_main
from tasks.toolchains.hdl import bitfile
from tasks.toolchains.hdl.handoff import fabric_clock, write_handoff
from tasks.toolchains.hdl.image import build_fabric_image
from tasks.toolchains.hdl.part import parse_part
from tasks.toolchains.hdl.shell import Design, write_design
from tasks.toolchains.hdl.utilisation import utilisation


class ImplementRequest(Record):
    """What is implemented.

    Attributes:
        core: directory of the core's RTL.
        synthesis: that made the core.
        available: on the part.
        processing_system: of the board, `zynq7000` or `zynqmp`.
        out: gets the .bit, the .hwh, the RTL of the shell and the logs.
    """

    core: Path
    synthesis: Synthesis
    available: Resources
    processing_system: str
    out: Path


class ImplementReport(Record):
    """The clock that the board's dividers make, and what the design takes of the part."""

    clock_mhz: float
    utilisation: Utilisation


def implement(request: ImplementRequest) -> ImplementReport:
    """Put the core into its shell, count it, compile it, describe it to pynq."""
    project = request.synthesis.project
    name = project.settings.project_name
    clock = fabric_clock(request.processing_system, 1000 / project.settings.clock_period_ns)
    design = write_design(
        sorted(request.core.glob("*.v")),
        project_name=name,
        input=project.input,
        output=project.output,
        latency_cycles=request.synthesis.latency_cycles,
        directory=request.out,
    )
    with ThreadPoolExecutor(max_workers=2) as pool:
        image = pool.submit(_write_bit, design, request)
        counted = pool.submit(utilisation, design, request.available, work=request.out)
    image.result()
    write_handoff(
        request.out / f"{name}.hwh",
        project_name=name,
        part=project.part,
        system=request.processing_system,
        clock=clock,
    )
    return ImplementReport(clock_mhz=clock.mhz, utilisation=counted.result())


def _write_bit(design: Design, request: ImplementRequest) -> None:
    """Compile the design for the twin; only the .bit and the logs stay."""
    project = request.synthesis.project
    work = request.out / "fabric"
    work.mkdir()
    library = build_fabric_image(design, work / "fabric.so", work=work)
    bitfile.write_bit(
        request.out / f"{project.settings.project_name}.bit",
        bitfile.fabric_image(library.read_bytes()),
        design=design.top,
        part=parse_part(project.part).in_bit,
    )
    for log in work.glob("*.log"):
        log.rename(request.out / log.name)
    shutil.rmtree(work)


if __name__ == "__main__":
    child_main(ImplementRequest, implement)
