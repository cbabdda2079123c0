"""The memory that this machine, or a control group, still has for processes."""

import re
from pathlib import Path


def available_bytes() -> int:
    """Return the memory that processes can still get, or that a control group still allows."""
    fields = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"))
    available = int(fields[1]) * 1024 if fields else 0
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
    except (OSError, ValueError):  # no limit reads `max`
        return available
    return min(available, limit - used)
