"""Vivado's commands, as hls4ml's design.tcl and overlayflow's own scripts use them."""

import fnmatch
import json
import tkinter as tk
import zipfile
from dataclasses import asdict
from pathlib import Path

from tests.replay import ips, texts, versions
from tests.replay.automation import Automation
from tests.replay.blockdesign import BlockDesign, Cell
from tests.replay.errors import CommandError
from tests.replay.handoff import handoff
from tests.replay.ips import Catalogue
from tests.replay.runs import Design, Runs
from tests.replay.scenario import Scenario
from tests.replay.tcl import Command

PROJECT, FILESET = "current_project", "sources_1"
WRAPPER = "design_1_wrapper.v"
# Options but the number of jobs, by run.
LAUNCHED_WITH = {"synth_1": ["-jobs"], "impl_1": ["-to_step", "write_bitstream", "-jobs"]}


class Vivado:
    """One session."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._directory = Path()
        self._part = ""
        self._design = BlockDesign()
        self._catalogue = Catalogue(scenario.version)
        self._repository: list[str] = []
        self._repository_paths: list[str] = []
        self._sources: list[str] = []
        self._opened = ""

    def commands(self) -> dict[str, Command]:
        """All commands by name."""
        names = (
            *("create_project", "open_project", "current_project", "set_property"),
            *("get_property", "update_ip_catalog", "create_bd_design", "create_bd_cell"),
            *("apply_bd_automation", "get_bd_cells", "get_bd_intf_pins", "get_bd_pins"),
            *("connect_bd_intf_net", "connect_bd_net", "group_bd_cells", "assign_bd_address"),
            *("validate_bd_design", "save_bd_design", "generate_target", "get_ipdefs"),
            *("make_wrapper", "get_files", "add_files", "get_runs", "reset_run", "launch_runs"),
            *("wait_on_run", "open_run", "close_design", "get_parts", "get_board_parts"),
            *("update_compile_order", "current_fileset", "write_hw_platform", "version"),
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
        """The name of the project whose accelerator the design holds."""
        tops = (path for path, cell in self._design.cells.items() if cell.own)
        return next(tops).rpartition("/")[2].removesuffix("_axi_0")

    @property
    def _blocks(self) -> Path:
        return self._directory / "project_1.srcs" / "sources_1" / "bd" / "design_1"

    @property
    def _generated(self) -> Path:
        """Where this version writes what it makes of a block design."""
        has_own = self._scenario.version >= versions.GENERATED
        name = "project_1.gen" if has_own else "project_1.srcs"
        return self._directory / name / "sources_1" / "bd" / "design_1"

    # projects

    def create_project(self, name: str, directory: str, *options: str) -> None:
        """create_project name directory -part part ?-force?."""
        self._scenario.strike("create_project")
        if name != "project_1" or options[0] != "-part":
            raise CommandError(f"ERROR: [Common 17-165] Too many positional options: {options}")
        self._part = options[1]
        if self._part not in self._scenario.devices:
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
        self._design = BlockDesign.restored(content["design"])

    def _save(self) -> None:
        content = {
            "replay": "this is no Vivado project",
            "part": self._part,
            "sources": self._sources,
            "design": asdict(self._design),
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
            if target == FILESET:
                continue
            if target != PROJECT:
                self._design.set(target, name, value)
            elif name == "board_part":
                self._set_board(value)
            elif name == "ip_repo_paths":
                self._repository_paths = value.split()

    def _set_board(self, board: str) -> None:
        self._scenario.strike("board_part")
        if board not in self._scenario.boards:
            raise CommandError(
                f"ERROR: [Board 49-71] The board_part definition was not found for {board}. The "
                "project's board_part property was not set, but the project's part property was "
                f"set to {self._part}. Valid board_part values can be retrieved with the "
                "'get_board_parts' Tcl command."
            )
        self._design.board = board
        if self._scenario.board_device:
            print(
                "WARNING: [Project 1-153] The current project device "
                f"'{self._part}' does not match with the device on the 'board_part'. A device "
                f"change to match the device on '{board}' board part is being done."
            )
            self._part = self._scenario.board_device

    def get_property(self, name: str, target: str) -> str:
        """A property of a run, a cell, an IP definition or the project."""
        if target == PROJECT:
            return {"PART": self._part}[name]
        if name == "VLNV" and not target.startswith("/"):
            return target
        if name in ("PROGRESS", "STATUS", "NEEDS_REFRESH"):
            if name == "NEEDS_REFRESH":
                return "0"
            return self._runs.progress(target) if name == "PROGRESS" else self._runs.status(target)
        if "ACT_" in name and self._scenario.fault("clock"):
            return "66.666667"
        return self._design.get(target, name)

    def get_parts(self, *arguments: str) -> str:
        """get_parts -quiet part."""
        return " ".join(part for part in self._scenario.devices if part == arguments[-1])

    def get_board_parts(self, *arguments: str) -> str:
        """get_board_parts -quiet ?-latest_file_version? pattern."""
        found = fnmatch.filter(self._scenario.boards, arguments[-1])
        return " ".join(found[-1:] if "-latest_file_version" in arguments else found)

    def version(self, option: str) -> str:
        """version -short."""
        assert option == "-short"
        return self._scenario.version

    # block design

    def update_ip_catalog(self) -> None:
        """Find the IP in the repository paths."""
        self._repository = ips.repository(self._repository_paths)
        print(f"INFO: [IP_Flow 19-1700] Loaded user IP repository '{self._repository_paths}'.")

    def get_ipdefs(self, *arguments: str) -> str:
        """get_ipdefs ?-quiet? ?-all? xilinx.com:ip:name:* ?-filter expression?."""
        pattern = next(each for each in arguments if each.startswith("xilinx.com:"))
        found = self._catalogue.definitions(
            pattern.split(":")[2],
            everything="-all" in arguments,
            for_designs="-filter" in arguments and "*IPI*" in arguments[-1],
        )
        return " ".join(found)

    def create_bd_design(self, name: str) -> None:
        """Begin the block design."""
        texts.write(self._blocks / f"{name}.bd", "replay\n")
        print(f"Wrote  : <{self._blocks.absolute() / name}.bd>")

    def create_bd_cell(self, *arguments: str) -> str:
        """create_bd_cell -type ip -vlnv vlnv name | -type module -reference module name."""
        self._scenario.strike("bd")
        if arguments[:3] == ("-type", "ip", "-vlnv"):
            return self._design.create(
                arguments[3], arguments[4], self._catalogue, self._repository
            )
        if arguments[:3] == ("-type", "module", "-reference"):
            module, name = arguments[3:]
            shape = ips.module_shape(module, [Path(each) for each in self._sources])
            vlnv = f"xilinx.com:module_ref:{module}:1.0"
            return self._design.add(name, Cell(vlnv, own=shape.saved()))
        raise CommandError("ERROR: [BD 5-7] Error: running create_bd_cell")

    def apply_bd_automation(self, *arguments: str) -> None:
        """apply_bd_automation -rule rule -config list object."""
        if arguments[0] != "-rule" or arguments[2] != "-config":
            raise CommandError("ERROR: [BD 5-4] apply_bd_automation")
        automation = Automation(self._design, self._catalogue)
        automation.apply(arguments[1], _pairs(arguments[3]), arguments[4])

    def get_bd_cells(self, *arguments: str) -> str:
        """get_bd_cells ?-quiet? ?-hierarchical? ?-filter VLNV =~ pattern? ?name ...?."""
        values = [each for each in arguments if each not in ("-quiet", "-hierarchical")]
        cells = self._design.cells
        if "-filter" in values:
            pattern = values[values.index("-filter") + 1].removeprefix("VLNV =~ ").strip()
            found = [path for path, cell in cells.items() if fnmatch.fnmatch(cell.vlnv, pattern)]
            return " ".join(f"/{path}" for path in found)
        found = [name.removeprefix("/") for name in values if name.removeprefix("/") in cells]
        if not found:
            print(f"WARNING: [BD 5-235] No block design cells matched 'get_bd_cells {values}'")
        return " ".join(f"/{path}" for path in found)

    def get_bd_intf_pins(self, path: str) -> str:
        """An interface pin."""
        if self._design.interface(path) is not None:
            return f"/{path.removeprefix('/')}"
        print(f"WARNING: [BD 5-232] No interface pins matched 'get_bd_intf_pins {path}'")
        return ""

    def get_bd_pins(self, *arguments: str) -> str:
        """get_bd_pins path | ?-quiet? -of_objects cell -filter expression."""
        if "-of_objects" in arguments:
            cell = arguments[arguments.index("-of_objects") + 1]
            return " ".join(self._design.pins_of(cell, arguments[-1]))
        if self._design.pin(arguments[0]) is not None:
            return f"/{arguments[0].removeprefix('/')}"
        print(f"WARNING: [BD 5-235] No pins matched 'get_bd_pins {arguments[0]}'")
        return ""

    def connect_bd_intf_net(self, *pins: str) -> None:
        """Connect two interface pins."""
        if len(pins) != 2 or not all(pins):
            raise CommandError(
                "ERROR: [BD 5-106] Arguments to the connect_bd_intf_net command cannot be empty."
            )
        self._design.join(*pins)

    def connect_bd_net(self, *pins: str) -> None:
        """Connect pins."""
        self._design.connect(list(pins))

    def group_bd_cells(self, hierarchy: str, *cells: str) -> None:
        """Move cells into a hierarchy."""
        self._design.group(hierarchy, list(cells))

    def assign_bd_address(self) -> None:
        """Map all that is not mapped yet."""
        self._design.assign()

    def validate_bd_design(self) -> None:
        """Check the connections."""
        self._design.validate()

    def save_bd_design(self) -> None:
        """Write the design."""
        self._save()

    def make_wrapper(self, *arguments: str) -> str:
        """make_wrapper -files design -top."""
        if arguments[0] != "-files" or arguments[2:] != ("-top",) or not arguments[1]:
            raise CommandError("ERROR: [Common 17-163] Missing value for option 'files'")
        self._design.validate()
        wrapper = self._generated / "hdl" / WRAPPER
        texts.write(wrapper, "// replay\n")
        return str(wrapper)

    def get_files(self, path: str) -> str:
        """A file of the project, by its path or its name."""
        block_design = self._blocks / "design_1.bd"
        if path == block_design.name and block_design.exists():
            return str(block_design)
        return path if Path(path).exists() else ""

    def add_files(self, option: str, paths: str) -> None:
        """add_files -norecurse paths."""
        for path in map(str, tk.Tcl().splitlist(paths)):
            if option != "-norecurse" or not Path(path).exists():
                raise CommandError(
                    f"ERROR: [Vivado 12-172] File or Directory '{path}' does not exist"
                )
            self._sources.append(str(Path(path).absolute()))
        self._save()

    def update_compile_order(self, *arguments: str) -> None:
        """update_compile_order -fileset sources_1."""
        if arguments != ("-fileset", FILESET):
            raise CommandError(f"ERROR: [Common 17-170] Unknown option in {arguments}")

    def current_fileset(self) -> str:
        """The sources, as an object."""
        return FILESET

    def generate_target(self, what: str, path: str) -> None:
        """generate_target all design."""
        if what != "all" or not path:
            raise CommandError("ERROR: [Common 17-163] Missing value for option 'objects'")
        self._design.validate()
        where = self._generated / "hw_handoff" / "design_1.hwh"
        if not self._scenario.platform:
            texts.write(where, handoff(self._design, self._part, self._scenario.version))

    def write_hw_platform(self, *arguments: str) -> None:
        """write_hw_platform -fixed -force -file path."""
        text = handoff(self._design, self._part, self._scenario.version)
        with zipfile.ZipFile(arguments[-1], "w") as archive:
            archive.writestr("design_1.hwh", text)
            archive.writestr("replay", "this is no hardware platform\n")

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
        if not any(Path(each).name == WRAPPER for each in self._sources):
            raise CommandError("ERROR: [Synth 8-439] module 'design_1_wrapper' not found")
        self._save()
        self.generate_target("all", "design_1.bd")

    def wait_on_run(self, *arguments: str) -> None:
        """wait_on_run ?-timeout minutes? run: the runs do their work here."""
        run = arguments[-1]
        if "-timeout" in arguments:
            print(f"Waiting for {run} to finish (timeout in {arguments[1]} minutes)...")
        self._scenario.strike("wait")
        reference = any("module_ref" in cell.vlnv for cell in self._design.cells.values())
        design = Design(self._name, self._part, is_traced=reference)
        *first, last = self._up_to(run)
        if run == "impl_1":
            first.remove("synth_1")
        done = [self._runs.run(name, design) for name in first]
        if all(done) and (run == "synth_1" or self._runs.run("synth_1", design)):
            self._runs.run(last, design)
        failed = [name for name in self._up_to(run) if self._runs.progress(name) != "100%"]
        if failed and self._scenario.version < versions.FAILED_RUNS_ARE_ERRORS:
            print(f"WARNING: [Vivado 12-8222] Failed run(s) : '{failed[0]}'")
        elif failed:
            errors = "\n".join(self._runs.errors(failed[0]))
            raise CommandError(
                f"ERROR: [Vivado 12-13638] Failed runs(s) : '{failed[0]}'\n"
                f" '{failed[0]}' run failed with below errors.\n{errors}\n"
                "ERROR: [Common 17-39] 'wait_on_runs' failed due to earlier errors."
            )
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
            return texts.utilisation(lut, self._part, self._scenario.version)
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
