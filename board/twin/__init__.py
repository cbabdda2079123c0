"""The twin: a board emulated below the genuine pynq package, reached over SSH like any other."""
