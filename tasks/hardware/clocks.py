"""The fabric clocks that a processing system can generate."""

from dataclasses import dataclass

from tasks.core.errors import InputError, UnsupportedModelError

_HIGHEST_DIVISOR = 63


# All settings of the two dividers, fastest clock first.
_DIVISORS = sorted(
    ((d0, d1) for d0 in range(1, _HIGHEST_DIVISOR + 1) for d1 in range(1, d0 + 1)),
    key=lambda pair: (pair[0] * pair[1], pair[0]),
)


# Relative deviation up to which a clock counts as the requested one; also the gates' default.
_SAME_CLOCK = 0.01


@dataclass(frozen=True)
class ProcessingSystem:
    """Properties in which processing systems differ.

    Attributes:
        arch: the architecture's name in a .hwh.
        instance: instance name of the processing system.
        source_mhz: frequency of the IO PLL on boards: 50 MHz x 20, 33.333 MHz x 45.
        highest_mhz: highest frequency of the fabric clock output.
        dma_base: address of the DMA's registers.
        accelerator_base: address of the accelerator's registers.
        reset_port: reset output for the fabric.
        memory_port: port through which the DMA accesses memory.
        memory_block: name of the memory at that port.
        memory_high: last address of the memory.
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
    "zynq7000": ProcessingSystem(
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
    "zynqmp": ProcessingSystem(
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
    """A clock that the processing system generates for the fabric.

    Attributes:
        asked_mhz: the requested frequency.
        mhz: the frequency generated.
        divisor0: first divider of the IO PLL, 1 to 63.
        divisor1: second divider, 1 to 63.
    """

    asked_mhz: float
    mhz: float
    divisor0: int
    divisor1: int


def fabric_clock(system: str, asked_mhz: float) -> Clock:
    """Return the fastest clock that the dividers can make and that is not above the requested one.

    Raises:
        UnsupportedModelError: the processing system is unknown.
        InputError: the clock is outside the range of the dividers.
    """
    properties = processing_system(system)
    lowest_mhz = properties.source_mhz / _HIGHEST_DIVISOR**2
    if not lowest_mhz <= asked_mhz <= properties.highest_mhz:
        raise InputError(
            f"{asked_mhz:g} MHz is not between {lowest_mhz:.2f} and {properties.highest_mhz:g} MHz",
            where="fabric clock",
            remedy="choose another clock period",
        )
    # Within an oscillator's tolerance it is the same clock (zcu102: 99.99 MHz asked, 99.999 made).
    allowed_mhz = asked_mhz * (1 + 100e-6)
    d0, d1 = next(
        (d0, d1) for d0, d1 in _DIVISORS if properties.source_mhz / (d0 * d1) <= allowed_mhz
    )
    return Clock(asked_mhz, round(properties.source_mhz / (d0 * d1), 6), d0, d1)


def check_clock(system: str, period_ns: float) -> None:
    """Check that the dividers can make a clock closely enough; unknown systems accept any clock.

    Raises:
        InputError: they cannot; the message names the nearest periods that they can make.
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
        f"the processing system cannot generate {asked_mhz:g} MHz: it divides "
        f"{properties.source_mhz:g} MHz by whole numbers",
        where="clock_period_ns",
        remedy="choose " + " or ".join(f"{1000 / mhz:g} ns ({mhz:g} MHz)" for mhz in near),
    )


def processing_system(system: str) -> ProcessingSystem:
    """Return the properties of a processing system.

    Raises:
        UnsupportedModelError: it is unknown.
    """
    if system in _SYSTEMS:
        return _SYSTEMS[system]
    raise UnsupportedModelError(
        f"processing system {system!r} has no block design",
        where="hardware handoff",
        remedy=f"choose a board with {' or '.join(_SYSTEMS)}",
    )
