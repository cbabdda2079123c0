"""The performance harness: every figure beside its budget, as ratios in one run."""
