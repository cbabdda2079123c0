"""The emulated bottom of a board: clocks, memory, DMA and the fabric, below genuine pynq.

Imported by `sitecustomize` inside the board's Python, where nothing of the host's environment
is installed: numpy, pynq and the standard library only, in the syntax of Python 3.10.
"""
