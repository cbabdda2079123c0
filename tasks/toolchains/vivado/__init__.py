"""Code for any Vivado: supervised runs, preflight, progress, reports, diagnosis."""
