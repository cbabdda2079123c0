"""Yosys counts a design's logic; Verilator builds the fabric image that a twin runs."""
