"""Reaching a board: SSH connections, file transfer, remote programs."""
