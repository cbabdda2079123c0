"""Builds as in hls4ml's documentation: build_prj.tcl in Vivado HLS, design.tcl in Vivado."""
