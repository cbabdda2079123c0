"""Knowledge of parts, clocks, bitstream files and hardware handoffs (.hwh)."""
