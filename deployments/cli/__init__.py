"""The command line: `overlayflow`.

Each command is a module with `add`, which adds its arguments, and `run`, which returns the exit
code. A command imports what it needs only when it runs, so `--help` answers without Prefect.
"""
