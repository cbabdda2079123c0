"""Facts about parts, clocks, bitstream files and hardware handoffs (.hwh)."""
