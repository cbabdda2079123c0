"""A block design, as far as hls4ml's scripts build one: cells, their pins and their clock."""

import fnmatch
import re
from dataclasses import dataclass, field
from typing import Any

from tasks.hardware.clocks import fabric_clock
from tests.replay.errors import CommandError

DMA, ACCELERATOR = "axi_dma", "hls"
SYSTEMS = {"processing_system7": "zynq7000", "zynq_ultra_ps_e": "zynqmp"}
ASKED = {
    "processing_system7": "CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ",
    "zynq_ultra_ps_e": "CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ",
}
ACTUAL = {
    "CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ": "processing_system7",
    "CONFIG.PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ": "zynq_ultra_ps_e",
}
INTERFACES = {
    "processing_system7": {"M_AXI_GP0", "S_AXI_HP0"},
    "zynq_ultra_ps_e": {"M_AXI_HPM0_FPD", "M_AXI_HPM1_FPD", "S_AXI_HPC0_FPD"},
    DMA: {"S_AXI_LITE", "M_AXI_MM2S", "M_AXI_S2MM", "M_AXIS_MM2S", "S_AXIS_S2MM"},
    ACCELERATOR: {"in_r", "out_r"},
}
PINS = {ACCELERATOR: {"ap_clk", "ap_rst_n"}}
RULES = {"processing_system7", "zynq_ultra_ps_e", "axi4", "clkrst"}
# In every good run: hls4ml asks for a parameter that the DMA does not have.
UNKNOWN_DMA_PARAMETER = "CONFIG.c_s_axis_s2mm_data_width"


@dataclass
class BlockDesign:
    """Cells by name; state that a project file keeps.

    Attributes:
        cells: the VLNV of each.
        properties: by cell.
        connections: pairs of interface pins.
        clocked: whether the accelerator's clock is connected.
    """

    cells: dict[str, str] = field(default_factory=dict)
    properties: dict[str, dict[str, str]] = field(default_factory=dict)
    connections: list[list[str]] = field(default_factory=list)
    clocked: bool = False

    def create(self, vlnv: str, name: str, repository: dict[str, Any]) -> None:
        """Create a cell of an IP that is in Xilinx's catalogue or in the repository."""
        vendor, library, ip, _ = vlnv.split(":")
        known = (vendor, library) == ("xilinx.com", "ip") and ip in {*SYSTEMS, DMA}
        if not known and vlnv not in repository:
            raise CommandError(
                f"ERROR: [BD 5-390] IP definition not found for VLNV: {vlnv}",
            )
        self.cells[name] = vlnv
        self.properties[name] = {}
        if ip in SYSTEMS:
            self.properties[name][ASKED[ip]] = "50"

    def kind(self, name: str) -> str:
        """The IP of a cell, or ACCELERATOR."""
        library, ip = self.cells[name].split(":")[1:3]
        return ACCELERATOR if library == "hls" else ip

    def find(self, names: list[str], pattern: str) -> list[str]:
        """Cells by name, or all whose VLNV matches a filter."""
        if pattern:
            vlnv = pattern.removeprefix("VLNV =~ ").strip()
            return [f"/{name}" for name, its in self.cells.items() if fnmatch.fnmatch(its, vlnv)]
        found = [name for name in names if name.removeprefix("/") in self.cells]
        if not found:
            print(f"WARNING: [BD 5-235] No block design cells matched 'get_bd_cells {names}'")
        return found

    def pin(self, path: str, table: dict[str, set[str]]) -> str:
        """A pin that exists, else nothing, with a warning."""
        cell, _, pin = path.removeprefix("/").rpartition("/")
        if cell in self.cells and pin in table.get(self.kind(cell), set()):
            return f"/{cell}/{pin}"
        print(f"WARNING: [BD 5-235] No pins matched '{path}'")
        return ""

    def set(self, cell: str, name: str, value: str) -> None:
        """Set a property of a cell."""
        if name == UNKNOWN_DMA_PARAMETER:
            print(
                "CRITICAL WARNING: [BD 41-1276] Cannot set the parameter "
                f"{name.removeprefix('CONFIG.')} on /{cell}. Parameter does not exist"
            )
            return
        self.properties[cell.removeprefix("/")][name] = value

    def get(self, cell: str, name: str) -> str:
        """A property of a cell; the clock that is built follows from the one asked for."""
        if name in ACTUAL:
            return f"{self.clock()[1]:.6f}"
        return self.properties[cell.removeprefix("/")].get(name, "")

    def clock(self) -> tuple[str, float]:
        """The processing system's kind and its fabric clock in MHz."""
        for name in self.cells:
            ip = self.kind(name)
            if ip in SYSTEMS:
                asked = float(self.properties[name][ASKED[ip]])
                return SYSTEMS[ip], fabric_clock(SYSTEMS[ip], asked).mhz
        raise CommandError("ERROR: [BD 41-758] The following clock pins are not connected")

    def automate(self, rule: str, config: dict[str, str], target: str) -> None:
        """Apply a rule to a target that exists, by a configuration that fits the design."""
        name = rule.rpartition(":")[2]
        if name not in RULES or not target:
            raise CommandError(f"ERROR: [BD 5-4] Error: running apply_bd_automation {rule}.")
        if name in SYSTEMS:
            if config.get("apply_board_preset") == "1":
                self.properties[target.removeprefix("/")][ASKED[name]] = "100"
            return
        for value in config.values():
            labelled = re.fullmatch(r"(\S+) \((\d+) MHz\)", value)
            if labelled and int(labelled[2]) != int(self.clock()[1] + 1e-6):
                raise CommandError(f"ERROR: [BD 41-1273] no clock source '{value}'")
        for end in ("Master", "Slave"):
            if name == "axi4" and not self.pin(config[end], INTERFACES):
                raise CommandError(f"ERROR: [BD 5-106] no {end} {config[end]}")
        if name == "clkrst":
            self.clocked = True

    def connect(self, pins: list[str]) -> None:
        """Connect two interface pins."""
        if len(pins) != 2 or not all(pins):
            raise CommandError("ERROR: [BD 5-106] Arguments to the connect_bd_intf_net command")
        self.connections.append(pins)

    def group(self, hierarchy: str, cells: list[str]) -> None:
        """Move cells into a hierarchy."""
        for cell in cells:
            name = cell.removeprefix("/")
            self.cells[f"{hierarchy}/{name}"] = self.cells.pop(name)
            self.properties[f"{hierarchy}/{name}"] = self.properties.pop(name)

    def validate(self) -> None:
        """Raise unless the accelerator is connected to the DMA and to a clock."""
        if len(self.connections) != 2 or not self.clocked:
            raise CommandError(
                "ERROR: [BD 41-758] The following clock pins are not connected to a valid clock "
                "source:"
            )
