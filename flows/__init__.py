"""Prefect flows, which compose tasks and contain no logic of their own.

Prefect puts this directory on sys.path when it loads an entrypoint, so no module in it may have the
name of a root package or a standard module.
"""
