"""The twin: an emulated board under the genuine pynq package, reached by SSH like any other."""
