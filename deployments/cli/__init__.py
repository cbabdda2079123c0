"""The command line: `overlayflow`.

Each command is a module here with `add` (its arguments) and `run` (returns the exit code). Only
the command that runs imports what it needs: `--help` answers without Prefect.
"""
