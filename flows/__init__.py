"""Prefect flows: they compose tasks and hold no logic of their own.

This directory stands on sys.path when Prefect loads an entrypoint, so no module in it may be
named like a root package or a standard module.
"""
