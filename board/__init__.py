"""What runs on the processing system of a board, or stands in for a board.

`overlay` and `runner` run on boards as old as PYNQ 2.7 (Python 3.8, numpy 1.17): they use the
standard library, numpy and pynq, nothing else. Nothing here imports from outside `board`.
"""
