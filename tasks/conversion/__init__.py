"""Converts a model file and test data to an hls4ml project and its golden outputs."""
