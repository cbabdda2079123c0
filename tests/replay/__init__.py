"""Replay tools: programs named vivado_hls and vivado for tests, which replay recorded behaviour.

They interpret the Tcl they are given, check the arguments of the commands that hls4ml's scripts
and overlayflow's own use, and behave as a scenario says (scenario.py). They synthesize nothing;
every file they write says that it is a replay. The bitstream holds hls4ml's C model for the twin.
"""
