"""Fabric clocks that a processing system can make."""

from dataclasses import dataclass

from tasks.core.errors import InputError, UnsupportedModelError

_HIGHEST_DIVISOR = 63


# All settings of the two dividers, those of fast clocks first.
_DIVISORS = sorted(
    ((d0, d1) for d0 in range(1, _HIGHEST_DIVISOR + 1) for d1 in range(1, d0 + 1)),
    key=lambda pair: (pair[0] * pair[1], pair[0]),
)


# A clock that differs by less is the one that was asked for, as the gates have it by default.
_SAME_CLOCK = 0.01


@dataclass(frozen=True)
class _System:
    """What differs between processing systems.

    Attributes:
        arch: as a .hwh names it.
        instance: of the processing system.
        source_mhz: the IO PLL as boards run it: 50 MHz x 20, 33.333 MHz x 45.
        highest_mhz: that the fabric's clock output can drive.
        dma_base: address of the DMA's registers.
        accelerator_base: address of the accelerator's registers.
        reset_port: its reset output for the fabric.
        memory_port: the port that the DMA reads and writes memory through.
        memory_block: the memory's name there.
        memory_high: its last address.
    """

    arch: str
    instance: str
    source_mhz: float
    highest_mhz: float
    dma_base: int
    accelerator_base: int
    reset_port: str
    memory_port: str
    memory_block: str
    memory_high: int


_SYSTEMS = {
    "zynq7000": _System(
        arch="zynq",
        instance="processing_system7_0",
        source_mhz=1000.0,
        highest_mhz=250.0,
        dma_base=0x4040_0000,
        accelerator_base=0x43C0_0000,
        reset_port="FCLK_RESET0_N",
        memory_port="S_AXI_HP0",
        memory_block="HP0_DDR_LOWOCM",
        memory_high=0x1FFF_FFFF,
    ),
    "zynqmp": _System(
        arch="zynquplus",
        instance="zynq_ultra_ps_e_0",
        source_mhz=1499.985,
        highest_mhz=333.333,
        dma_base=0xA000_0000,
        accelerator_base=0xA001_0000,
        reset_port="pl_resetn0",
        memory_port="S_AXI_HP0_FPD",
        memory_block="HP0_DDR_LOW",
        memory_high=0x7FFF_FFFF,
    ),
}


@dataclass(frozen=True)
class Clock:
    """A clock that the processing system makes for the fabric.

    Attributes:
        asked_mhz: what was asked for.
        mhz: what it is.
        divisor0: first divider of the IO PLL, 1 to 63.
        divisor1: second divider, 1 to 63.
    """

    asked_mhz: float
    mhz: float
    divisor0: int
    divisor1: int


def fabric_clock(system: str, asked_mhz: float) -> Clock:
    """The fastest clock, not above the one asked for, that the dividers can make.

    Raises:
        UnsupportedModelError: no such processing system.
        InputError: no divider comes near that clock.
    """
    properties = _properties(system)
    lowest_mhz = properties.source_mhz / _HIGHEST_DIVISOR**2
    if not lowest_mhz <= asked_mhz <= properties.highest_mhz:
        raise InputError(
            f"{asked_mhz:g} MHz is not between {lowest_mhz:.2f} and {properties.highest_mhz:g}",
            where="clock of the fabric",
            remedy="choose another clock period",
        )
    # What oscillators may be off: less is the same clock (zcu102: 99.99 MHz asked, 99.999 made).
    allowed_mhz = asked_mhz * (1 + 100e-6)
    d0, d1 = next(
        (d0, d1) for d0, d1 in _DIVISORS if properties.source_mhz / (d0 * d1) <= allowed_mhz
    )
    return Clock(asked_mhz, round(properties.source_mhz / (d0 * d1), 6), d0, d1)


def check_clock(system: str, period_ns: float) -> None:
    """Refuse a clock that the dividers cannot make, or not nearly; other systems take any.

    Raises:
        InputError: with the nearest periods that they can make.
    """
    if system not in _SYSTEMS:
        return
    asked_mhz = 1000 / period_ns
    below = fabric_clock(system, asked_mhz)
    if below.mhz >= asked_mhz * (1 - _SAME_CLOCK):
        return
    properties = _SYSTEMS[system]
    made = (properties.source_mhz / (d0 * d1) for d0, d1 in _DIVISORS)
    faster = [mhz for mhz in made if asked_mhz < mhz <= properties.highest_mhz]
    near = (*faster[-1:], below.mhz)
    raise InputError(
        f"the processing system divides {properties.source_mhz:g} MHz by whole numbers, which "
        f"does not give {asked_mhz:g} MHz",
        where="clock_period_ns",
        remedy="choose " + " or ".join(f"{1000 / mhz:g} ns ({mhz:g} MHz)" for mhz in near),
    )


def _properties(system: str) -> _System:
    if system in _SYSTEMS:
        return _SYSTEMS[system]
    raise UnsupportedModelError(
        f"no block design for processing system {system!r}",
        where="hardware handoff",
        remedy=f"choose a board with {' or '.join(_SYSTEMS)}",
    )
