"""The AXI4-Stream shell around a core, and the fabric image built from it."""
