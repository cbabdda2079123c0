"""Folded cores, in which each layer has as many multipliers as the sample interval requires."""
