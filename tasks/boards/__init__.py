"""Boards: addresses, SSH, leases, file transfer, programs, measurement; twins."""
