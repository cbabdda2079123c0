"""Vivado HLS's commands, as hls4ml's build_prj.tcl uses them."""

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.replay import texts
from tests.replay.errors import CommandError
from tests.replay.scenario import Fault, Scenario, suffer
from tests.replay.tcl import Command
from tests.replay.versions import banner

CORE = texts.Estimate(latency=5, interval=1, lut=1400, ff=900, dsp=4, bram_18k=2)
TOP = texts.Estimate(latency=38, interval=39, lut=2600, ff=1900, dsp=4, bram_18k=2)
CHECKPOINTS = (
    "Linking",
    "Checking Pragmas",
    "Standard Transforms",
    "Checking Synthesizability",
    "Pre-synthesis",
    "Architecture Synthesis",
)


class Hls:
    """One session."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._project = Path()
        self._top = ""
        self._part = ""
        self._period_ns = 0.0
        self._files: list[str] = []

    def commands(self) -> dict[str, Command]:
        """All commands by name."""
        return {
            "open_project": self.open_project,
            "set_top": self.set_top,
            "add_files": self.add_files,
            "open_solution": self.open_solution,
            "config_array_partition": self.config_array_partition,
            "config_compile": self.config_compile,
            "config_schedule": self.config_schedule,
            "set_part": self.set_part,
            "create_clock": self.create_clock,
            "set_clock_uncertainty": self.set_clock_uncertainty,
            "csim_design": lambda *options: self._timed("csim_design", self._csim, options),
            "csynth_design": lambda *options: self._timed("csynth_design", self._csynth, options),
            "cosim_design": lambda *options: self._timed("cosim_design", self._cosim, options),
            "export_design": lambda *options: self._timed("export_design", self._export, options),
            "_replay_simulate": self._simulate,
        }

    @property
    def _solution(self) -> Path:
        return self._project / "solution1"

    @property
    def _flow_log(self) -> Path:
        return self._solution / ".autopilot" / "db" / "autopilot.flow.log"

    def open_project(self, *arguments: str) -> None:
        """open_project ?-reset? name."""
        _only(arguments[:-1], "-reset")
        self._project = Path(arguments[-1])
        if "-reset" in arguments:
            texts.remove(self._project)
        self._project.mkdir(exist_ok=True)
        print(f"INFO: [HLS 200-10] Opening project '{self._project.absolute()}'.")

    def set_top(self, name: str) -> None:
        """Take the name of the top function."""
        self._top = name

    def add_files(self, *arguments: str) -> None:
        """add_files ?-tb? path ?-cflags flags?."""
        names = [name for name in arguments if not name.startswith("-")]
        if not Path(names[0]).exists():
            raise CommandError(f"ERROR: [HLS 200-10] Cannot find '{names[0]}'.")
        self._files.append(names[0])

    def open_solution(self, *arguments: str) -> None:
        """open_solution ?-reset? name."""
        _only(arguments[:-1], "-reset")
        if arguments[-1] != "solution1":
            raise CommandError(f"ERROR: [HLS 200-10] solution {arguments[-1]}")
        texts.write(self._flow_log, "INFO-FLOW: Workspace of a replay opened\n")

    def config_array_partition(self, option: str, value: str) -> None:
        """config_array_partition -maximum_size n."""
        _only((option,), "-maximum_size")
        int(value)

    def config_compile(self, option: str, value: str) -> None:
        """config_compile -name_max_length n."""
        _only((option,), "-name_max_length")
        int(value)

    def config_schedule(self, option: str) -> None:
        """config_schedule -enable_dsp_full_reg=bool."""
        _only((option,), "-enable_dsp_full_reg=false", "-enable_dsp_full_reg=true")

    def set_part(self, part: str) -> None:
        """Take an installed part."""
        self._scenario.strike("set_part")
        if part not in self._scenario.devices:
            raise CommandError(f"ERROR: [HLS 200-1023] Part '{part}' is not installed.")
        self._part = part

    def create_clock(self, *arguments: str) -> None:
        """create_clock -period ns -name name."""
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        _only(options, "-period", "-name")
        self._period_ns = float(options["-period"])

    def set_clock_uncertainty(self, value: str, clock: str) -> None:
        """set_clock_uncertainty percent clock."""
        if not re.fullmatch(r"[\d.]+%?", value) or clock != "default":
            raise CommandError(f"ERROR: [SYN 201-201] uncertainty '{value}' of '{clock}'")

    def _timed(
        self, name: str, command: Callable[[Fault | None], None], options: tuple[str, ...]
    ) -> None:
        known = {
            "cosim_design": ("-trace_level", "all", "-setup"),
            "export_design": ("-format", "ip_catalog", "-version"),
        }
        _only(
            [each for each in options if not re.fullmatch(r"\d+\.\d+\.\d+", each)],
            *known.get(name, ()),
        )
        self._scenario.record("command", name=name)
        start = time.monotonic()
        try:
            command(self._scenario.fault(name))
        except CommandError:
            _append(self._flow_log, f"Command     {name} done; error code: 2; 0.1 sec.")
            raise
        _append(self._flow_log, f"Command     {name} done; {time.monotonic() - start:.2f} sec.")

    def _suffer(self, fault: Fault | None) -> bool:
        """Suffer a fault; whether the command must do no work."""
        if fault is None:
            return False
        for line in fault.lines:
            print(line, flush=True)
        suffer(fault, self._scenario)
        return fault.effect == "silent"

    def _csim(self, fault: Fault | None) -> None:
        if self._suffer(fault):
            return
        texts.write(Path("tb_data/csim_results.log"), "0.5 0.25 # replay\n")
        print("INFO: [SIM 211-1] CSim done with 0 errors.")

    def _csynth(self, fault: Fault | None) -> None:
        for name in CHECKPOINTS[:4]:
            _checkpoint(name)
        if self._suffer(fault):
            return
        for name in CHECKPOINTS[4:]:
            _checkpoint(name)
        core = self._top.removesuffix("_axi")
        for module, estimate in ((core, CORE), (self._top, TOP)):
            report = self._solution / "syn" / "report" / f"{module}_csynth"
            xml = texts.csynth_xml(
                module, estimate, self._part, self._period_ns, self._scenario.version
            )
            texts.write(report.with_name(report.name + ".xml"), xml)
            texts.write(report.with_name(report.name + ".rpt"), "== Vivado HLS Report, replay\n")
            texts.write(self._solution / "syn" / "verilog" / f"{module}.v", "// replay\n")
        print("INFO: [HLS 200-789] **** Estimated Fmax: 220.51 MHz")
        _checkpoint("generating all RTL models")
        print(f"INFO: [VLOG 209-307] Generating Verilog RTL for {self._top}.")

    def _cosim(self, fault: Fault | None) -> None:
        if not (self._solution / "syn" / "verilog").exists():
            raise CommandError(
                "ERROR: [COSIM 212-40] C/RTL co-simulation cannot be started, possible causes: "
                "1) Synthesis was not successful"
            )
        if self._suffer(fault):
            return
        verilog = self._solution / "sim" / "verilog"
        texts.write(verilog / f"{self._top}.tcl", "# replay\nlog_wave -r /\nquit\n")
        texts.write(verilog / "run_sim.tcl", "# replay\n_replay_simulate\n")

    def _simulate(self) -> None:
        """What run_sim.tcl starts; the working directory is that of the simulation."""
        here = Path.cwd()
        root = here.parents[3]
        fault = self._scenario.fault("simulate")
        self._suffer(fault)
        different = fault is not None and fault.effect == "mark"
        results = "0.5 0.75 # replay\n" if different else "0.5 0.25 # replay\n"
        texts.write(root / "tb_data" / "rtl_cosim_results.log", results)
        report = here.parents[1] / "sim" / "report" / f"{self._top}_cosim.rpt"
        texts.write(report, "== Vivado HLS Report, replay\n| Verilog|      Pass|     38|     38|\n")
        print("INFO: [COSIM 212-1000] *** C/RTL co-simulation finished: PASS ***")

    def _export(self, fault: Fault | None) -> None:
        print("INFO: [IMPL 213-8] Exporting RTL as a Vivado IP.")
        if not (self._solution / "syn" / "verilog").exists():
            raise CommandError("ERROR: [IMPL 213-28] Failed to generate IP.")
        print(f"{banner('Vivado', self._scenario.version)}source run_ippack.tcl -notrace")
        if fault is None and not self._scenario.y2k22_patch:
            print("bad lexical cast: source type value could not be interpreted as target")
            raise CommandError("ERROR: [IMPL 213-28] Failed to generate IP.")
        if self._suffer(fault):
            return
        ip = self._solution / "impl" / "ip"
        texts.write(ip / "component.xml", texts.component_xml(self._top, self._part))
        texts.write(ip / f"xilinx_com_hls_{self._top}_1_0.zip", "replay\n")
        print("INFO: [Common 17-206] Exiting Vivado at the end of run_ippack.tcl...")


def _checkpoint(name: str) -> None:
    print(
        f"INFO: [HLS 200-111] Finished {name} Time (s): cpu = 00:00:01 ; elapsed = 00:00:01 . "
        "Memory (MB): peak = 100.000 ; gain = 10.000 ; replay",
        flush=True,
    )


def _only(given: Iterable[str], *known: str) -> None:
    unknown = [each for each in given if each not in known]
    if unknown:
        raise CommandError(f"ERROR: [HLS 200-101] Unknown option '{unknown[0]}'.")


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
