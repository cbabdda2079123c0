"""Records passed between the steps: one frozen record per step, each containing the previous one.

A record names its store entry and holds the figures a person would ask for. File names are relative
to the entry's `files` directory, so consecutive steps can run on different machines.
"""
