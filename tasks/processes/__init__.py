"""Child processes (external tools and modules of our own), their logs, and threads."""
