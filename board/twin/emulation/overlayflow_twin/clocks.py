"""Emulates the clock registers of both processing systems that pynq.Clocks reads and sets."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIZE = 0x1000

# As the boot loader of a PYNQ-Z1 or -Z2 sets them, with a 50 MHz crystal: ARM PLL 1300 MHz, DDR
# PLL 1050 MHz, IO PLL 1000 MHz (feedback divider in bits 18:12), CPU at half of the ARM PLL,
# FCLK0 = IO PLL / 5 / 2 = 100 MHz (dividers in bits 13:8 and 25:20), FCLK1-3 the same.
_SLCR = {
    0x100: 26 << 12,
    0x104: 21 << 12,
    0x108: 20 << 12,
    0x120: 2 << 8,
    0x170: 2 << 20 | 5 << 8,
    0x180: 2 << 20 | 5 << 8,
    0x190: 2 << 20 | 5 << 8,
    0x1A0: 2 << 20 | 5 << 8,
}

# On a Zynq UltraScale+, with a 33.333 MHz crystal: PLLs with the feedback divider in bits 14:8 and
# their output halved (bit 16): IO 1500 MHz, R 750, A 1200 for the CPUs, D 1067, V 1500.
# PL0-3 = IO PLL / 15 / 1 = 100 MHz (dividers in bits 13:8 and 21:16, enabled by bit 24).
_HALF, _ON = 1 << 16, 1 << 24
_CRL_APB = {
    0x20: _HALF | 90 << 8,
    0x30: _HALF | 45 << 8,
    0xC0: _ON | 1 << 16 | 15 << 8,
    0xC4: _ON | 1 << 16 | 15 << 8,
    0xC8: _ON | 1 << 16 | 15 << 8,
    0xCC: _ON | 1 << 16 | 15 << 8,
}
_CRF_APB = {0x20: _HALF | 72 << 8, 0x2C: _HALF | 64 << 8, 0x38: _HALF | 90 << 8, 0x60: 1 << 8}

BLOCKS: "Mapping[str, Mapping[int, Mapping[int, int]]]" = {
    "armv7l": {0xF800_0000: _SLCR},
    "aarch64": {0xFF5E_0000: _CRL_APB, 0xFD1A_0000: _CRF_APB},
}
"""By machine: base addresses of the blocks with clock registers, and the registers' boot values."""

# The register of the fabric's first clock, its source in MHz, and its second divider's first bit.
_FABRIC = {"armv7l": (0x170, 1000.0, 20), "aarch64": (0xC0, 1499.985, 16)}
_DIVISOR = 0x3F


class ClockRegisters:
    """A block's registers: they keep what is written, and read as zero before.

    Args:
        machine: a key of BLOCKS.
        boot: boot values.
        stuck_mhz: returns the frequency at which a fault holds the fabric's first clock, or None.
    """

    def __init__(
        self, machine: str, boot: "Mapping[int, int]", stuck_mhz: "Callable[[], float | None]"
    ) -> None:
        self._registers = dict(boot)
        self._fabric, self._source_mhz, self._second = _FABRIC[machine]
        self._stuck_mhz = stuck_mhz

    def read(self, offset: int) -> int:
        """Read the register at a byte offset from the block's base."""
        value = self._registers.get(offset, 0)
        mhz = self._stuck_mhz() if offset == self._fabric else None
        if mhz is None:
            return value
        divisor = min(_DIVISOR, max(1, round(self._source_mhz / mhz)))
        others = value & ~(_DIVISOR << 8 | _DIVISOR << self._second)
        return others | divisor << 8 | 1 << self._second

    def write(self, offset: int, value: int) -> None:
        """Write the register at a byte offset from the block's base."""
        self._registers[offset] = value
