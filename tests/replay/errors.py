"""What a replayed command fails with."""


class CommandError(Exception):
    """A command's error, which the script may catch; its message goes to the log."""
