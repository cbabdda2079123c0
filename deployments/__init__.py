"""The entry points for people: the command line, and registration with a Prefect server."""
