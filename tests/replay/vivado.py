"""Vivado's commands, as hls4ml's design.tcl and overlayflow's own scripts use them."""

import json
import tkinter as tk
import xml.etree.ElementTree as ET
from pathlib import Path

from tasks.hardware.clocks import fabric_clock
from tasks.hardware.hwh_write import write_hwh
from tests.replay import texts
from tests.replay.blockdesign import INTERFACES, PINS, BlockDesign
from tests.replay.errors import CommandError
from tests.replay.runs import Design, Runs
from tests.replay.scenario import Scenario
from tests.replay.tcl import Command

PROJECT = "current_project"
WRAPPER_ADDED = "wrapper"
# Options but the number of jobs, by run.
LAUNCHED_WITH = {"synth_1": ["-jobs"], "impl_1": ["-to_step", "write_bitstream", "-jobs"]}


class Vivado:
    """One session."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._directory = Path()
        self._part = ""
        self._design = BlockDesign()
        self._repository: dict[str, Path] = {}
        self._repository_paths: list[str] = []
        self._sources: list[str] = []
        self._opened = ""

    def commands(self) -> dict[str, Command]:
        """All commands by name."""
        names = (
            *("create_project", "open_project", "current_project", "set_property"),
            *("get_property", "update_ip_catalog", "create_bd_design", "create_bd_cell"),
            *("apply_bd_automation", "get_bd_cells", "get_bd_intf_pins", "get_bd_pins"),
            *("connect_bd_intf_net", "group_bd_cells", "validate_bd_design", "save_bd_design"),
            *("make_wrapper", "get_files", "add_files", "get_runs", "reset_run", "launch_runs"),
            *("wait_on_run", "open_run", "close_design", "get_parts", "get_board_parts"),
            "version",
        )
        reports = {
            f"report_{name}": lambda *arguments, name=name: self._report(name, arguments)
            for name in (
                *("utilization", "timing_summary", "power", "route_status", "drc"),
                "methodology",
            )
        }
        groups: dict[str, Command] = {"startgroup": lambda: None, "endgroup": lambda: None}
        return {name: getattr(self, name) for name in names} | reports | groups

    @property
    def _runs(self) -> Runs:
        return Runs(self._directory / "project_1.runs", self._scenario)

    @property
    def _name(self) -> str:
        return self._directory.name.removesuffix("_vivado_accelerator")

    @property
    def _blocks(self) -> Path:
        return self._directory / "project_1.srcs" / "sources_1" / "bd" / "design_1"

    # projects

    def create_project(self, name: str, directory: str, *options: str) -> None:
        """create_project name directory -part part ?-force?."""
        self._scenario.strike("create_project")
        if name != "project_1" or options[0] != "-part":
            raise CommandError(f"ERROR: [Common 17-165] Too many positional options: {options}")
        self._part = options[1]
        if self._part not in self._scenario.parts:
            raise CommandError("ERROR: [Coretcl 2-106] Specified part could not be found.")
        self._directory = Path(directory)
        if self._directory.exists() and "-force" not in options:
            raise CommandError("ERROR: [Coretcl 2-27] Can't find specified project.")
        texts.remove(self._directory)
        self._save()

    def open_project(self, path: str) -> None:
        """Take up a project where an earlier session left it."""
        if not Path(path).exists():
            raise CommandError(f"ERROR: [Coretcl 2-27] Can't find specified project '{path}'.")
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        self._directory = Path(path).parent
        self._part, self._sources = content["part"], content["sources"]
        self._design = BlockDesign(**content["design"])

    def _save(self) -> None:
        content = {
            "replay": "this is no Vivado project",
            "part": self._part,
            "sources": self._sources,
            "design": vars(self._design),
        }
        texts.write(self._directory / "project_1.xpr", json.dumps(content, indent=1))

    def current_project(self) -> str:
        """The project, as an object."""
        return PROJECT

    # properties

    def set_property(self, *arguments: str) -> None:
        """set_property name value object | set_property -dict list object."""
        *what, target = arguments
        if not target:
            raise CommandError("ERROR: [Common 17-161] Invalid option value '' for 'objects'")
        pairs = _pairs(what[1]) if what[0] == "-dict" else {what[0]: what[1]}
        for name, value in pairs.items():
            if target != PROJECT:
                self._design.set(target, name, value)
            elif name == "board_part":
                self._set_board(value)
            elif name == "ip_repo_paths":
                self._repository_paths = value.split()

    def _set_board(self, board: str) -> None:
        self._scenario.strike("board_part")
        if board not in self._scenario.board_parts:
            raise CommandError(
                f"ERROR: [Board 49-71] The board_part definition was not found for {board}. The "
                "project's board_part property was not set, but the project's part property was "
                f"set to {self._part}. Valid board_part values can be retrieved with the "
                "'get_board_parts' Tcl command."
            )

    def get_property(self, name: str, target: str) -> str:
        """A property of a run or a cell."""
        if name in ("PROGRESS", "STATUS", "NEEDS_REFRESH"):
            if name == "NEEDS_REFRESH":
                return "0"
            return self._runs.progress(target) if name == "PROGRESS" else self._runs.status(target)
        if self._scenario.fault("clock"):
            return "66.666667"
        return self._design.get(target, name)

    def get_parts(self, *arguments: str) -> str:
        """get_parts -quiet part."""
        return " ".join(part for part in self._scenario.parts if part == arguments[-1])

    def get_board_parts(self, *arguments: str) -> str:
        """get_board_parts -quiet name."""
        return " ".join(part for part in self._scenario.board_parts if part == arguments[-1])

    def version(self, option: str) -> str:
        """version -short."""
        assert option == "-short"
        return self._scenario.version

    # block design

    def update_ip_catalog(self) -> None:
        """Find the IP in the repository paths."""
        self._repository = {}
        for path in self._repository_paths:
            for component in sorted(Path(path).rglob("component.xml")):
                root = ET.parse(component).getroot()  # noqa: S314 - written by the replayed HLS
                names = ("vendor", "library", "name", "version")
                vlnv = ":".join(str(root.findtext(name)) for name in names)
                self._repository[vlnv] = component
        print(f"INFO: [IP_Flow 19-1700] Loaded user IP repository '{self._repository_paths}'.")

    def create_bd_design(self, name: str) -> None:
        """Begin the block design."""
        texts.write(self._blocks / f"{name}.bd", "replay\n")
        print(f"Wrote  : <{self._blocks.absolute() / name}.bd>")

    def create_bd_cell(self, *arguments: str) -> None:
        """create_bd_cell -type ip -vlnv vlnv name."""
        if arguments[:2] != ("-type", "ip") or arguments[2] != "-vlnv":
            raise CommandError("ERROR: [BD 5-4] create_bd_cell")
        self._scenario.strike("bd")
        self._design.create(arguments[3], arguments[4], self._repository)

    def apply_bd_automation(self, *arguments: str) -> None:
        """apply_bd_automation -rule rule -config list object."""
        if arguments[0] != "-rule" or arguments[2] != "-config":
            raise CommandError("ERROR: [BD 5-4] apply_bd_automation")
        self._design.automate(arguments[1], _pairs(arguments[3]), arguments[4])

    def get_bd_cells(self, *arguments: str) -> str:
        """get_bd_cells ?-quiet? ?-hierarchical? ?-filter expression? ?name ...?."""
        values = [each for each in arguments if each not in ("-quiet", "-hierarchical")]
        pattern = values[values.index("-filter") + 1] if "-filter" in values else ""
        return " ".join(self._design.find(values if not pattern else [], pattern))

    def get_bd_intf_pins(self, path: str) -> str:
        """An interface pin."""
        return self._design.pin(path, INTERFACES)

    def get_bd_pins(self, path: str) -> str:
        """A pin."""
        return self._design.pin(path, PINS)

    def connect_bd_intf_net(self, *pins: str) -> None:
        """Connect two interface pins."""
        self._design.connect(list(pins))

    def group_bd_cells(self, hierarchy: str, *cells: str) -> None:
        """Move cells into a hierarchy."""
        self._design.group(hierarchy, list(cells))

    def validate_bd_design(self) -> None:
        """Check the connections."""
        self._design.validate()

    def save_bd_design(self) -> None:
        """Write the design."""
        self._save()

    def make_wrapper(self, *arguments: str) -> None:
        """make_wrapper -files design -top."""
        if arguments[0] != "-files" or arguments[2:] != ("-top",) or not arguments[1]:
            raise CommandError("ERROR: [Common 17-163] Missing value for option 'files'")
        self._design.validate()
        texts.write(self._blocks / "hdl" / "design_1_wrapper.v", "// replay\n")

    def get_files(self, path: str) -> str:
        """A file of the project."""
        return path if Path(path).exists() else ""

    def add_files(self, option: str, path: str) -> None:
        """add_files -norecurse path."""
        if option != "-norecurse" or not Path(path).exists():
            raise CommandError(f"ERROR: [Vivado 12-172] File or Directory '{path}' does not exist")
        self._sources.append(WRAPPER_ADDED)
        self._save()

    # runs

    def get_runs(self, *names: str) -> str:
        """All runs, or those of the names."""
        known = self._runs.names(self._name)
        return " ".join(name for name in known if not names or name in names)

    def reset_run(self, run: str) -> None:
        """Forget a run."""
        self._runs.reset(run)

    def launch_runs(self, *arguments: str) -> None:
        """launch_runs synth_1|impl_1 ?-to_step write_bitstream? -jobs n."""
        run, *options, jobs = arguments
        if options != LAUNCHED_WITH.get(run):
            raise CommandError(f"ERROR: [Common 17-170] Unknown option in {arguments}")
        self._scenario.record("launch", run=run, jobs=int(jobs))
        failed = [
            name for name in self._runs.names(self._name) if "ERROR" in self._runs.status(name)
        ]
        if failed:
            raise CommandError(
                f"ERROR: [Common 17-70] Application Exception: Failed to launch run '{run}' due to "
                "failures in the following run(s):\n" + "\n".join(failed) + "\nThese failed run(s) "
                f"need to be reset prior to launching '{run}' again."
            )
        self._generate()
        self._scenario.strike("launch_runs")
        waiting = [n for n in self._up_to(run) if self._runs.progress(n) != "100%"]
        for name in filter(None, (", ".join(waiting[:-1]), run)):
            print(f"[Thu Jan  1 00:00:00 1970] Launched {name}...", flush=True)

    def _up_to(self, run: str) -> list[str]:
        """A run, after all that it waits for."""
        names = self._runs.names(self._name)
        return names[: names.index(run) + 1]

    def _generate(self) -> None:
        """Write the hardware handoff, before anything is synthesized."""
        if WRAPPER_ADDED not in self._sources:
            raise CommandError("ERROR: [Synth 8-439] module 'design_1_wrapper' not found")
        self._save()
        system, mhz = self._design.clock()
        name = "project_1.srcs" if self._scenario.version < "2020.2" else "project_1.gen"
        handoff = self._directory / name / "sources_1" / "bd" / "design_1" / "hw_handoff"
        handoff.mkdir(parents=True, exist_ok=True)
        hwh = write_hwh(
            handoff / "design_1.hwh",
            project_name=self._name,
            part=self._part,
            system=system,
            clock=fabric_clock(system, mhz),
        )
        text = hwh.read_text(encoding="utf-8")
        hwh.write_text(text + "<!-- replay -->\n", encoding="utf-8")

    def wait_on_run(self, *arguments: str) -> None:
        """wait_on_run ?-timeout minutes? run: the runs do their work here."""
        run = arguments[-1]
        if "-timeout" in arguments:
            print(f"Waiting for {run} to finish (timeout in {arguments[1]} minutes)...")
        self._scenario.strike("wait")
        design = Design(self._name, self._part)
        *first, last = self._up_to(run)
        if run == "impl_1":
            first.remove("synth_1")
        done = [self._runs.run(name, design) for name in first]
        if all(done) and (run == "synth_1" or self._runs.run("synth_1", design)):
            self._runs.run(last, design)
        failed = [name for name in self._up_to(run) if self._runs.progress(name) != "100%"]
        if failed and self._scenario.version < "2024":
            print(f"WARNING: [Vivado 12-8222] Failed run(s) : '{failed[0]}'")
        elif failed:
            raise CommandError(f"ERROR: [Vivado 12-13638] Failed runs(s) : '{failed[0]}'")
        else:
            print(f"[Thu Jan  1 00:00:00 1970] {run} finished", flush=True)

    def open_run(self, run: str) -> None:
        """Open a synthesized or implemented design."""
        opened = ("synth_design Complete!",) if run == "synth_1" else ("route_design", "write_bits")
        if not self._runs.status(run).startswith(opened):
            raise CommandError(
                f"ERROR: [Common 17-69] Command failed: Run '{run}' has not been launched. "
                "Unable to open"
            )
        self._opened = run

    def close_design(self) -> None:
        """Close the design that is open."""
        self._opened = ""

    def _report(self, name: str, arguments: tuple[str, ...]) -> None:
        """report_<name> ... -file path."""
        self._scenario.record("report", name=name)
        fault = self._scenario.strike(f"report_{name}")
        if not self._opened:
            raise CommandError("ERROR: [Common 17-53] User Exception: No open design.")
        if fault is not None:
            return
        path = Path(arguments[arguments.index("-file") + 1])
        if not path.absolute().parent.exists():
            raise CommandError(f"ERROR: [Common 17-38] Directory of {path} is not writable")
        command = " ".join((f"report_{name}", *arguments))
        state = "Synthesized" if self._opened == "synth_1" else "Routed"
        head = texts.header(command, state, self._scenario.version, self._part)
        texts.write(path, head + self._report_text(name, "-hierarchical" in arguments))

    def _report_text(self, name: str, hierarchical: bool) -> str:
        lut = self._scenario.lut
        if name == "utilization" and hierarchical:
            return texts.hierarchy(lut, self._name, self._part)
        if name == "utilization":
            return texts.utilisation(lut, self._part)
        figures = self._runs.figures()
        if name == "timing_summary":
            return texts.timing(figures["wns"], 0.015, 3.75, *self._design.clock())
        if name == "power":
            return texts.power()
        if name == "route_status":
            return texts.route_status(int(figures["unrouted"]))
        return "0 violations found (replay)\n"


def _pairs(text: str) -> dict[str, str]:
    """A Tcl list of names and values."""
    items = tk.Tcl().splitlist(text)
    return dict(zip(map(str, items[::2]), map(str, items[1::2]), strict=True))
