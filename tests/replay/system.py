"""The processing systems: what their clocks come to, and what a board's preset sets."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    """One kind.

    Attributes:
        kind: as board/kinds.toml names it.
        clock: pin of the fabric's clock.
        reset: pin of the fabric's reset.
        asked: parameter with the clock that is asked for.
        built: parameter with the clock that is made.
        divisors: parameters with its dividers.
        interconnect: what Vivado calls the interconnect of its control port.
        reset_name: what Vivado calls the cell that makes resets, before the clock.
        preset: what a board's preset sets.
    """

    kind: str
    clock: str
    reset: str
    asked: str
    built: str
    divisors: tuple[str, str]
    interconnect: str
    reset_name: str
    preset: Mapping[str, str]


SYSTEMS = {
    "processing_system7": System(
        kind="zynq7000",
        clock="FCLK_CLK0",
        reset="FCLK_RESET0_N",
        asked="PCW_FPGA0_PERIPHERAL_FREQMHZ",
        built="PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ",
        divisors=("PCW_FCLK0_PERIPHERAL_DIVISOR0", "PCW_FCLK0_PERIPHERAL_DIVISOR1"),
        interconnect="ps7_0_axi_periph",
        reset_name="rst_ps7_0",
        preset={
            "PCW_CRYSTAL_PERIPHERAL_FREQMHZ": "50",
            "PCW_ENET0_PERIPHERAL_ENABLE": "1",
            "PCW_ENET0_ENET0_IO": "MIO 16 .. 27",
            "PCW_FPGA0_PERIPHERAL_FREQMHZ": "100",
        },
    ),
    "zynq_ultra_ps_e": System(
        kind="zynqmp",
        clock="pl_clk0",
        reset="pl_resetn0",
        asked="PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ",
        built="PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ",
        divisors=("PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0", "PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1"),
        interconnect="ps8_0_axi_periph",
        reset_name="rst_ps8_0",
        # As the KV260's: two clocks, both masters of the full-power domain.
        preset={
            "PSU__USE__M_AXI_GP1": "1",
            "PSU__FPGA_PL1_ENABLE": "1",
            "PSU__CRL_APB__PL0_REF_CTRL__SRCSEL": "IOPLL",
        },
    ),
}
# Without an interface that needs 125 MHz the wizard lets the PLL run as fast as it can.
_FAST_PLL_MHZ, _ETHERNET_PLL_MHZ = 1600.0, 1000.0
_RPLL_MHZ, _IOPLL_MHZ = 1066.656, 1499.985


def pll_mhz(ip: str, parameters: Mapping[str, str]) -> float:
    """The PLL that the fabric's clock is divided from, as the wizard sets it."""
    if ip == "zynq_ultra_ps_e":
        source = parameters["PSU__CRL_APB__PL0_REF_CTRL__SRCSEL"]
        return _IOPLL_MHZ if source == "IOPLL" else _RPLL_MHZ
    ethernet = parameters["PCW_ENET0_PERIPHERAL_ENABLE"] == "1"
    return _ETHERNET_PLL_MHZ if ethernet else _FAST_PLL_MHZ


@dataclass(frozen=True)
class Clock:
    """What the dividers make of the PLL."""

    mhz: float
    divisors: tuple[int, int]


def actual(ip: str, parameters: Mapping[str, str]) -> Clock:
    """The fabric's clock: the fastest that is not above the one asked for."""
    asked, source = float(parameters[SYSTEMS[ip].asked]), pll_mhz(ip, parameters)
    both = [(d0, d1) for d0 in range(1, 64) for d1 in range(1, d0 + 1)]
    # The two wizards choose differently: 5 x 2, but 15 x 1.
    slow_enough = [d for d in both if source / (d[0] * d[1]) <= asked * (1 + 100e-6)]
    fastest = min(d0 * d1 for d0, d1 in slow_enough)
    alike = sorted(d for d in slow_enough if d[0] * d[1] == fastest)
    d0, d1 = alike[0 if ip == "processing_system7" else -1]
    return Clock(source / (d0 * d1), (d0, d1))


def complete(ip: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """All parameters of an IP, with those that follow from the others."""
    if ip not in SYSTEMS:
        return dict(parameters)
    system, clock = SYSTEMS[ip], actual(ip, parameters)
    values = {
        system.built: f"{clock.mhz:.6f}",
        system.divisors[0]: str(clock.divisors[0]),
        system.divisors[1]: str(clock.divisors[1]),
    }
    if ip == "processing_system7":
        values["PCW_IO_IO_PLL_FREQMHZ"] = f"{pll_mhz(ip, parameters):.3f}"
    return {**parameters, **values}
