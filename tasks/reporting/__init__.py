"""Verdicts as text, tables and pictures."""
