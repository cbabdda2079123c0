"""What a person starts: the command line, and what registers flows with a Prefect server."""
