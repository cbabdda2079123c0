"""What passes between the steps: one frozen record a step, each holding the one before it.

A record names its store entry and the figures a person would ask for. Files are named relative
to the entry's `files` directory, so that a step can run on another machine than the one before it.
"""
