"""The way of the hls4ml documentation: build_prj.tcl under Vivado HLS, design.tcl under Vivado."""
