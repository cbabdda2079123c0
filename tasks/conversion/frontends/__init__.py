"""Front ends: each reads the model files of one framework and computes its outputs."""
