"""Sweeps: build, measure and compare many settings of a model, each of which is a point."""
