"""Runs Vivado's scripts under the replay, without Python around them."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from board.kinds import board_kinds
from tasks.core.records.design import FixedPoint, Stream
from tasks.toolchains.shell.shell import write_design
from tasks.toolchains.vivado.products import RESUME
from tests.replay import scenario

VIVADO = Path(scenario.__file__).parent / "bin" / "vivado"
TCL = RESUME.parent
PLL_MHZ = {"zynq7000": "1000", "zynqmp": "1499.985"}
_STREAM = Stream(shape=(4,), element=FixedPoint(width=16, integer=8))
_CORE = """\
module tiny_core (input clk, input [63:0] inp, output [63:0] out);
    assign out = inp;
endmodule
"""


@dataclass(frozen=True)
class Done:
    """A run of Vivado that has ended."""

    returncode: int
    log: str
    directory: Path

    @property
    def handoff(self) -> Path:
        """The .hwh that it wrote."""
        return next(self.directory.rglob("*.hwh"))


@dataclass
class Vivado:
    """The replayed Vivado in a directory that holds a core in its shell.

    Attributes:
        scripts: the Tcl that it runs; a copy, so that tests may change it.
    """

    directory: Path
    scripts: Path

    def change(self, script: str, old: str, new: str) -> None:
        """Change what a script, or a source of the design, says."""
        path = self.scripts / script if script.endswith(".tcl") else self.directory / "rtl" / script
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def build(
        self,
        kind: str = "pynq-z2",
        version: str = "2020.2",
        mhz: float = 100.0,
        fault: str = "",
        **machine: object,
    ) -> Done:
        """Build for a kind of board; machine: fields of Scenario."""
        about = board_kinds()[kind]
        system = about.processing_system
        needed = "0" if system == "zynq7000" else "1"
        return self.run(
            "build.tcl",
            *("2", f"{mhz:.6f}", "tiny", about.part, system, PLL_MHZ[system]),
            *(f"{about.vivado_board}:*", needed),
            fault=fault,
            version=version,
            **machine,
        )

    def run(self, script: str, *arguments: str, fault: str = "", **machine: object) -> Done:
        """Run a script to its end; fault: of tests/replay/faults.toml."""
        path = self.directory / "scenario.toml"
        lines = [f"{name} = {json.dumps(value)}" for name, value in machine.items()]
        lines += [f'faults = [{{name = "{fault}"}}]'] if fault else []
        path.write_text("\n".join(lines), encoding="utf-8")
        environment = {scenario.ENVIRONMENT: str(path), "OVERLAYFLOW_REPLAY_PYTHON": sys.executable}
        done = subprocess.run(
            [VIVADO, "-mode", "batch", "-source", self.scripts / script, "-tclargs", *arguments],
            cwd=self.directory,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout + done.stderr, self.directory)


@pytest.fixture
def vivado(tmp_path: Path) -> Vivado:
    """The replayed Vivado, and a core in its shell."""
    pytest.importorskip("tkinter", reason="no tkinter: apt-get install python3-tk")
    rtl, scripts = tmp_path / "rtl", tmp_path / "scripts"
    rtl.mkdir()
    core = rtl / "tiny_core.v"
    core.write_text(_CORE, encoding="ascii")
    design = write_design(
        [core], project_name="tiny", input=_STREAM, output=_STREAM, latency_cycles=0, directory=rtl
    )
    for file in design.files:
        if file.parent != rtl:
            shutil.copy(file, rtl)
    shutil.copytree(TCL, scripts)
    return Vivado(tmp_path, scripts)
