"""The eight steps as plain functions, for tasks, scripts and notebooks."""
