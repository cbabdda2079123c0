"""Vivado's connection automation, as far as hls4ml's block designs use it."""

import re
from collections.abc import Mapping

from tests.replay import ips
from tests.replay.blockdesign import BlockDesign, Cell
from tests.replay.errors import CommandError
from tests.replay.ips import Catalogue
from tests.replay.system import SYSTEMS, System

_NEW = {"New AXI Interconnect": "axi_interconnect", "New AXI SmartConnect": "smartconnect"}
_MEMORY = {"axi_interconnect": "axi_mem_intercon", "smartconnect": "axi_smc"}


class Automation:
    """Applies rules to a design.

    Args:
        design: to change.
        catalogue: of the Vivado at hand.
    """

    def __init__(self, design: BlockDesign, catalogue: Catalogue) -> None:
        self._design = design
        self._catalogue = catalogue

    def apply(self, rule: str, config: Mapping[str, str], target: str) -> None:
        """Apply a rule to a target that exists, by a configuration that fits the design."""
        name = rule.rpartition(":")[2]
        if not target or name not in {*SYSTEMS, "axi4", "clkrst"}:
            raise CommandError(f"ERROR: [BD 5-4] Error: running apply_bd_automation {rule}.")
        if name in SYSTEMS:
            self._preset(name, config, target.removeprefix("/"))
            return
        self._check_labels(config)
        if name == "clkrst":
            self._clock(target.removeprefix("/"))
        else:
            self._axi(config)

    def _preset(self, ip: str, config: Mapping[str, str], path: str) -> None:
        if config.get("apply_board_preset") == "1" and self._design.board:
            self._design.cell(path).parameters.update(SYSTEMS[ip].preset)
        for name in filter(None, re.split(r"[,\s]+", config.get("make_external", ""))):
            self._design.make_external(f"{path}/{name}")

    def _check_labels(self, config: Mapping[str, str]) -> None:
        for value in config.values():
            labelled = re.fullmatch(r"(\S+) \((\d+) MHz\)", value)
            if labelled and int(labelled[2]) != int(self._design.clock()[1] + 1e-6):
                raise CommandError(f"ERROR: [BD 41-1273] no clock source '{value}'")

    def _axi(self, config: Mapping[str, str]) -> None:
        master, slave = (config[end].removeprefix("/") for end in ("Master", "Slave"))
        for end, path in (("Master", master), ("Slave", slave)):
            if self._design.interface(path) is None:
                raise CommandError(f"ERROR: [BD 5-106] no {end} {path}")
        hub = self._hub(config["intc_ip"], master)
        if not self._design.peer(master):
            self._design.join(master, self._free(hub, "S", "NUM_SI"))
        if not self._design.peer(slave):
            self._design.join(self._free(hub, "M", "NUM_MI"), slave)
        for path in (hub, master.rpartition("/")[0], slave.rpartition("/")[0]):
            self._supply(path)
        self._design.assign()

    def _hub(self, asked: str, master: str) -> str:
        """The interconnect that is asked for; a new one has no ports in use."""
        if asked not in _NEW:
            return asked.removeprefix("/")
        ip = _NEW[asked]
        system = self._design.cell(master.rpartition("/")[0]).ip
        name = SYSTEMS[system].interconnect if system in SYSTEMS else _MEMORY[ip]
        vlnv = f"xilinx.com:ip:{ip}:{self._catalogue.version(ip)}"
        one = {"NUM_SI": "0", "NUM_MI": "0"}
        return self._design.add(name, Cell(vlnv, ips.defaults(ip) | one)).removeprefix("/")

    def _free(self, hub: str, letter: str, count: str) -> str:
        """One more interface of an interconnect."""
        parameters = self._design.cell(hub).parameters
        number = int(parameters[count])
        parameters[count] = str(number + 1)
        return f"{hub}/{letter}{number:02}_AXI"

    def _clock(self, pin: str) -> None:
        self._supply(pin.rpartition("/")[0])

    def _supply(self, path: str) -> None:
        """Connect the clocks and resets of a cell that have no driver yet."""
        system, kind = self._system()
        clock = f"{system}/{kind.clock}"
        for each in self._open(path, "clk"):
            self._design.connect([clock, each])
        if resets := self._open(path, "rst"):
            self._design.connect([f"{self._reset()}/peripheral_aresetn", *resets])

    def _open(self, path: str, kind: str) -> list[str]:
        found = self._design.pins_of(path, f"TYPE == {kind} && DIR == I")
        return [each for each in found if not self._design.driver(each.removeprefix("/"))]

    def _system(self) -> tuple[str, System]:
        path = next(self._design.of_ip(*SYSTEMS))
        return path, SYSTEMS[self._design.cell(path).ip]

    def _reset(self) -> str:
        """The cell that makes resets, named after the clock."""
        found = next(self._design.of_ip("proc_sys_reset"), "")
        if found:
            return found
        system, kind = self._system()
        name = f"{kind.reset_name}_{int(self._design.clock()[1] + 1e-6)}M"
        vlnv = f"xilinx.com:ip:proc_sys_reset:{self._catalogue.version('proc_sys_reset')}"
        self._design.add(name, Cell(vlnv, ips.defaults("proc_sys_reset")))
        self._design.connect([f"{system}/{kind.clock}", f"{name}/slowest_sync_clk"])
        self._design.connect([f"{system}/{kind.reset}", f"{name}/ext_reset_in"])
        return name
