"""What tests wait for, and ports for the servers that they start."""

import random
import socket
import time
from collections.abc import Callable

PATIENCE_S = 120
# Below those that Linux gives away, so that nobody is given one before its server has it.
_PORTS = range(20_000, 32_000)


def until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Wait until something is so; how long only matters to a test that fails."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.05)


def free_port() -> int:
    """Return a port of this machine for a server that is told its port."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def listens(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
