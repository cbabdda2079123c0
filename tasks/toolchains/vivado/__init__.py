"""Toolchain `vivado`: hls4ml's own scripts under Vivado HLS and Vivado, watched and diagnosed."""
