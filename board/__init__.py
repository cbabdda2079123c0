"""Programs that run on a board's processing system, and the twin, which emulates a board.

What runs on boards supports PYNQ 2.7 (Python 3.8, numpy 1.17) and uses only the standard library,
numpy and pynq. Nothing here imports from outside `board`.
"""
