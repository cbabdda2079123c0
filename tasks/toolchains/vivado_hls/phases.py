"""The phases of hls4ml's build_prj.tcl: how to request them, and how to check that they ran."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.records.settings import BuildSettings

_SOLUTION = "{project}_prj/solution1"
FLOW_LOG = _SOLUTION + "/.autopilot/db/autopilot.flow.log"


@dataclass(frozen=True)
class Phase:
    """One phase.

    Attributes:
        name: of the phase, and of the option of build_prj.tcl that requests it.
        files: that it must have written, relative to the project.
        marker: hls4ml's line for success, which the log must contain.
        also: a further option that verifies the phase's result.
        command: of Vivado HLS, which its flow log must report as done; empty for none.
        passed: text that the first file must contain; empty for any.
        share: of a build's time, for the progress.
    """

    name: str
    files: tuple[str, ...]
    marker: str
    also: str = ""
    command: str = ""
    passed: str = ""
    share: float = 1.0


PHASES = (
    Phase(
        "csim",
        ("tb_data/csim_results.log",),
        "***** C SIMULATION COMPLETED IN",
        command="csim_design",
        share=0.3,
    ),
    Phase(
        "synth",
        (
            _SOLUTION + "/syn/report/{project}_axi_csynth.xml",
            _SOLUTION + "/syn/report/{project}_csynth.xml",
            _SOLUTION + "/syn/verilog/{project}_axi.v",
        ),
        "***** C/RTL SYNTHESIS COMPLETED IN",
        command="csynth_design",
        share=1.0,
    ),
    Phase(
        "cosim",
        (_SOLUTION + "/sim/report/{project}_axi_cosim.rpt", "tb_data/rtl_cosim_results.log"),
        "INFO: Test PASSED",  # after the line that the simulation is completed
        also="validation",
        command="cosim_design",
        passed="Pass",
        share=2.0,
    ),
    Phase(
        "export",
        (_SOLUTION + "/impl/ip/component.xml",),
        "***** EXPORT IP COMPLETED IN",
        command="export_design",
        share=0.05,
    ),
)
# All options of build_prj.tcl, in the order in which hls4ml gives them: `synth=` also matches in
# `vsynth=`, so that the first one counts.
_OPTIONS = ("reset", "csim", "synth", "cosim", "validation", "export", "vsynth", "fifo_opt")
_DONE = re.compile(r"^Command\s+(\w+) done;(.*)$", re.MULTILINE)


def wanted(settings: BuildSettings) -> list[Phase]:
    """Return the phases of a build in order."""
    names = {"synth", "export"}
    if settings.csim or settings.cosim:
        names.add("csim")
    if settings.cosim:
        names.add("cosim")
    return [phase for phase in PHASES if phase.name in names]


def arguments(phases: Iterable[Phase], settings: BuildSettings) -> str:
    """Return the argument from which build_prj.tcl reads its options."""
    options = dict.fromkeys(_OPTIONS, 0)
    options |= {name: 1 for phase in phases for name in (phase.name, phase.also) if name}
    options["fifo_opt"] = int(settings.fifo_opt and bool(options["cosim"]))
    return " ".join(f"{name}={value}" for name, value in options.items())


def outputs(phase: Phase, project: Path, name: str) -> list[Path]:
    """Return the files of a phase in the directory of a project of that name."""
    return [project / file.format(project=name) for file in phase.files]


def clear(phases: Iterable[Phase], project: Path, name: str) -> None:
    """Remove files of earlier runs of the phases, so that they are not taken for new ones."""
    for phase in phases:
        for file in outputs(phase, project, name):
            file.unlink(missing_ok=True)
    (project / FLOW_LOG.format(project=name)).unlink(missing_ok=True)


def finished(phases: Sequence[Phase], project: Path, name: str, log: str) -> list[Phase]:
    """Return the phases that the tool has finished, judged by files and markers.

    Args:
        phases: requested phases.
        project: directory.
        name: of the project.
        log: complete output of the tool.
    """
    flow_log = project / FLOW_LOG.format(project=name)
    told = flow_log.read_text(encoding="utf-8", errors="replace") if flow_log.exists() else ""
    commands = {command: "error code" not in rest for command, rest in _DONE.findall(told)}
    return [
        phase
        for phase in phases
        if phase.marker in log
        and all(file.exists() for file in outputs(phase, project, name))
        and commands.get(phase.command, True)
        and _passed(phase, project, name)
    ]


def _passed(phase: Phase, project: Path, name: str) -> bool:
    if not phase.passed:
        return True
    first = outputs(phase, project, name)[0]
    return phase.passed in first.read_text(encoding="utf-8", errors="replace")
