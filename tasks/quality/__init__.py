"""Figures held against thresholds: gates, output comparison, baselines."""
