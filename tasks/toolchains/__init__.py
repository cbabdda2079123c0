"""From an hls4ml project to a design that can be loaded."""
