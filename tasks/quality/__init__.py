"""Compares figures with thresholds: gates, output comparison, baselines."""
