"""The AXI4-Stream shell around a core: stream words, cycle counters, top module."""
