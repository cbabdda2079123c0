"""Folded cores: each layer gets as many multipliers as the interval between samples asks for."""
