"""The clock registers of a Zynq-7000's SLCR, as pynq.Clocks reads and sets them."""

BASE = 0xF8000000
SIZE = 0x1000

# What the boot loader of a PYNQ-Z1 or -Z2 leaves behind, with their 50 MHz crystal: ARM PLL
# 1300 MHz, DDR PLL 1050 MHz, IO PLL 1000 MHz (feedback divider in bits 18:12), CPU at half of the
# ARM PLL, FCLK0 = IO PLL / 5 / 2 = 100 MHz (dividers in bits 13:8 and 25:20), FCLK1-3 the same.
_BOOT = {
    0x100: 26 << 12,
    0x104: 21 << 12,
    0x108: 20 << 12,
    0x120: 2 << 8,
    0x170: 2 << 20 | 5 << 8,
    0x180: 2 << 20 | 5 << 8,
    0x190: 2 << 20 | 5 << 8,
    0x1A0: 2 << 20 | 5 << 8,
}


class SlcrClocks:
    """Registers that keep what is written; those that nobody wrote read as zero."""

    def __init__(self) -> None:
        self._registers = dict(_BOOT)

    def read(self, offset: int) -> int:
        """Read the register at a byte offset from BASE."""
        return self._registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Write the register at a byte offset from BASE."""
        self._registers[offset] = value
