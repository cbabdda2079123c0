"""Child processes: supervised tools, children of our own, their logs, threads."""
