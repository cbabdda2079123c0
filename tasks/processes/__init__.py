"""Child processes (external tools and our own modules), their logs, and threads."""
