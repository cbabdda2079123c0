"""Implements with Yosys, which counts a design's logic, and Verilator, which builds twin images."""
