"""Front ends: each reads the files of one framework, and computes that framework's outputs."""
