"""Sweeps: many settings of a model, each a point that is built, measured and compared."""
