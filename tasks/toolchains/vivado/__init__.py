"""Any Vivado: supervised runs, preflight, progress, reports, diagnosis."""
