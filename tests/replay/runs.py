"""The runs of a Vivado project: their directories, marker files, logs and reports."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.replay import fabric, texts
from tests.replay.scenario import Fault, Scenario, suffer
from tests.replay.versions import banner, executing

IMPLEMENTATION = ("init", "opt", "place", "phys_opt", "route", "write_bitstream")
LINES = {
    "place": "INFO: [Place 30-746] Post Placement Timing Summary WNS=0.502. (replay)",
    "route": "INFO: [Route 35-416] Intermediate Timing Summary | WNS=0.551 | (replay)",
    "write_bitstream": "INFO: [Vivado 12-1842] Bitgen Completed Successfully.",
}
EXITING = "INFO: [Common 17-206] Exiting Vivado at Thu Jan  1 00:00:00 1970..."
_BEGIN = """<?xml version="1.0"?>
<!-- replay -->
<ProcessHandle Version="1" Minor="0">
    <Process Command="{command}" Owner="" Host="replay" Pid="{pid}">
    </Process>
</ProcessHandle>
"""


@dataclass
class Design:
    """What the runs implement.

    Attributes:
        project: name of the hls4ml project.
        part: full name.
        is_traced: whether the core is a module in Verilog; else the working directory holds the
            firmware of the project.
    """

    project: str
    part: str
    is_traced: bool


class Runs:
    """All runs of a project.

    Args:
        directory: `project_1.runs`.
        scenario: to behave by.
    """

    def __init__(self, directory: Path, scenario: Scenario) -> None:
        self._directory = directory
        self._scenario = scenario

    def names(self, project: str) -> list[str]:
        """All runs, those of the block design's IP first."""
        cells = ("processing_system7_0_0", "axi_dma_0_0", f"{project}_axi_0_0")
        return [*(f"design_1_{cell}_synth_1" for cell in cells), "synth_1", "impl_1"]

    def progress(self, run: str) -> str:
        """Like the property PROGRESS."""
        if run != "impl_1":
            return "100%" if self._marked(run, "vivado.end") else "0%"
        ended = sum(self._marked(run, f"{_step(name)}.end") for name in IMPLEMENTATION)
        return f"{100 * ended // len(IMPLEMENTATION)}%"

    def status(self, run: str) -> str:
        """Like the property STATUS."""
        if run != "impl_1":
            failed = self._marked(run, "vivado.error")
            complete = "synth_design Complete!" if self.progress(run) == "100%" else "Not started"
            return "synth_design ERROR" if failed else complete
        for name in reversed(IMPLEMENTATION):
            step = _step(name)
            for mark, word in (("error", "ERROR"), ("end", "Complete!"), ("begin", "Running...")):
                if self._marked(run, f"{step}.{mark}"):
                    return f"{step} {word}"
        return "Not started"

    def reset(self, run: str) -> None:
        """Forget a run."""
        self._scenario.record("reset", run=run)
        texts.remove(self._directory / run)

    def run(self, run: str, design: Design) -> bool:
        """Do a run's work, unless it is done; whether it is."""
        if self.progress(run) == "100%":
            return True
        self._scenario.record("run", run=run)
        version = self._scenario.version
        self._note(run, "\n*** Running vivado\n    with args -mode batch (replay)\n")
        self._note(run, banner("Vivado", version))
        self._begin(run, "vivado")
        done = self._implement(design) if run == "impl_1" else self._synthesize(run)
        self._mark(run, "vivado.end" if done else "vivado.error")
        return done

    def figures(self) -> dict[str, Any]:
        """What the implementation reached: WNS, unrouted nets."""
        content: dict[str, Any] = json.loads(
            (self._directory / "impl_1" / "replay.json").read_text()
        )
        return content

    def errors(self, run: str) -> list[str]:
        """What its log says of why it failed."""
        log = self._directory / run / "runme.log"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [line for line in lines if line.startswith("ERROR:")]

    def _synthesize(self, run: str) -> bool:
        kind = "synth" if run == "synth_1" else "ooc"
        fault = self._scenario.fault(kind) or (
            self._scenario.fault("ooc-accelerator") if run.endswith("_axi_0_0_synth_1") else None
        )
        if fault is not None and not self._suffer(run, "synth", fault):
            return False
        self._note(run, "Synthesis finished with 0 errors, 0 critical warnings and 0 warnings.")
        self._note(run, "synth_design completed successfully")
        self._note(run, executing(self._scenario.version, "report_utilization"))
        top = "design_1_wrapper" if run == "synth_1" else run.removesuffix("_synth_1")
        texts.write(self._directory / run / f"{top}.dcp", "replay\n")
        self._note(run, EXITING)
        return True

    def _implement(self, design: Design) -> bool:
        figures: dict[str, Any] = {"this is": "a replay", "wns": 0.385, "unrouted": 0}
        for name in IMPLEMENTATION:
            step = _step(name)
            self._begin("impl_1", step)
            self._note("impl_1", f"Command: {step}", shown=True)
            fault = self._scenario.fault(step)
            if fault is not None and not self._suffer("impl_1", step, fault):
                return False
            marked = fault.value if fault is not None and fault.effect == "mark" else ""
            if marked == "timing":
                figures["wns"] = -2.45
            if marked == "unrouted":
                figures["unrouted"] = 12
            texts.write(self._directory / "impl_1" / "replay.json", json.dumps(figures))
            if step == "write_bitstream" and marked != "missing":
                self._write_bit(design, marked)
            if name in LINES:
                self._note("impl_1", LINES[name], shown=True)
            self._note("impl_1", f"{step} completed successfully", shown=True)
            self._mark("impl_1", f"{step}.end")
        self._note("impl_1", EXITING)
        return True

    def _write_bit(self, design: Design, marked: str) -> None:
        bit = self._directory / "impl_1" / "design_1_wrapper.bit"
        part = "xc7z010clg400-1" if marked == "other-part" else design.part
        if design.is_traced:
            fabric.write_configuration(bit, part)
        else:
            fabric.write_bit(bit, Path.cwd(), design.project, part)
        if marked == "truncated":
            content = bit.read_bytes()
            bit.write_bytes(content[: len(content) // 2])

    def _suffer(self, run: str, step: str, fault: Fault) -> bool:
        """Suffer a fault; whether the run goes on."""
        for line in fault.lines:
            self._note(run, line, shown=run == "impl_1" or fault.effect in ("exit", "hang"))
        if fault.effect == "error":
            self._mark(run, f"{step}.error")
            self._note(run, EXITING)
            return False
        if fault.effect == "signal":  # of the run's own process, which leaves no other mark
            return False
        if fault.effect != "silent":
            suffer(fault, self._scenario)
        return True

    def _begin(self, run: str, step: str) -> None:
        command = "vivado" if step == "vivado" else ".planAhead."
        self._mark(run, f"{step}.begin", _BEGIN.format(command=command, pid=os.getpid()))

    def _mark(self, run: str, name: str, text: str = "replay\n") -> None:
        texts.write(self._directory / run / f".{name}.rst", text)

    def _marked(self, run: str, name: str) -> bool:
        return (self._directory / run / f".{name}.rst").exists()

    def _note(self, run: str, line: str, *, shown: bool = False) -> None:
        log = self._directory / run / "runme.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if shown:
            print(line, flush=True)


def _step(name: str) -> str:
    return name if name == "write_bitstream" else f"{name}_design"
