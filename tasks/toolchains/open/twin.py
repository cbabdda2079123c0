"""Builds what a twin loads: the core's RTL in the shell, compiled, and a handoff."""

import tempfile
from importlib.resources import files as resources
from pathlib import Path

from board.kinds import board_kinds
from tasks.core.errors import UnsupportedModelError
from tasks.core.records.design import HlsProject, Synthesis
from tasks.hardware.bitfile import fabric_image, write_bit
from tasks.hardware.clocks import Clock, fabric_clock
from tasks.hardware.hwh_write import write_hwh
from tasks.toolchains.open.image import build_fabric_image
from tasks.toolchains.shell.shell import Design, core_files, write_design


def shelled(synthesis: Synthesis, core: Path, directory: Path) -> Design:
    """Put a synthesized core into its shell.

    Args:
        synthesis: that made it.
        core: directory with its RTL.
        directory: an existing one, for the top module.

    Raises:
        UnsupportedModelError: the shell does not support the core or a number format.
    """
    project, name = synthesis.project, synthesis.project.settings.project_name
    folded = synthesis.core == "folded"
    if not folded and synthesis.interval_cycles != 1:
        raise UnsupportedModelError(
            f"the core takes a sample every {synthesis.interval_cycles} cycles, not every cycle",
            where=name,
            remedy="implement it with the toolchain that synthesized it",
        )
    return write_design(
        core_files(core),
        project_name=name,
        input=project.input,
        output=project.output,
        latency_cycles=None if folded else synthesis.latency_cycles,
        directory=directory,
    )


def write_handoff(project: HlsProject, handoff: Path) -> Clock:
    """Write the .hwh that a twin reads, and return the clock in it.

    Raises:
        UnsupportedModelError: there is no block design for the board's processing system.
        InputError: the processing system cannot generate the clock.
    """
    system = board_kinds()[project.settings.board_kind].processing_system
    clock = fabric_clock(system, 1000.0 / project.settings.clock_period_ns)
    name = project.settings.project_name
    write_hwh(handoff, project_name=name, part=project.part, system=system, clock=clock)
    return clock


def write_image(design: Design, part: str, bit: Path, logs: Path) -> None:
    """Compile a design, and write the .bit that a twin loads.

    Raises:
        ToolError: Verilator or g++ failed, or is missing.
    """
    with tempfile.TemporaryDirectory() as scratch:
        library = build_fabric_image(design, Path(scratch, "fabric.so"), logs=logs)
        write_bit(bit, fabric_image(library.read_bytes()), design=design.top, part=part)


def stock_driver() -> Path:
    """Return the path of hls4ml's Python driver for Zynq boards."""
    templates = resources("hls4ml") / "templates" / "vivado_accelerator"
    return Path(str(templates / "pynq-z2" / "python_drivers" / "axi_stream_driver.py"))
