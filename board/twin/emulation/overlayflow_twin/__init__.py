"""The emulated hardware of a board: clocks, memory, DMA and fabric, below the genuine pynq.

`sitecustomize` imports it in the board's Python, which has none of the host's packages: use numpy,
pynq and the standard library only, and the syntax of Python 3.10.
"""
