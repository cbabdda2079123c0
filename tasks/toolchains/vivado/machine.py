"""This machine, as far as a Vivado build depends on it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_GIB = 2**30
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_LIBRARIES = (
    *(Path("/lib/x86_64-linux-gnu"), Path("/usr/lib/x86_64-linux-gnu")),
    *(Path("/lib64"), Path("/usr/lib64"), Path("/lib"), Path("/usr/lib")),
)


@dataclass(frozen=True)
class Machine:
    """Facts.

    Attributes:
        cores: that this process may use.
        memory_gib: RAM and swap.
        disk_gib: free where builds are made.
        container: whether this is one.
        udev: the libudev.so.1; None without one.
    """

    cores: int
    memory_gib: float
    disk_gib: float
    container: bool
    udev: Path | None

    @classmethod
    def this(cls, work: Path) -> Self:
        """The machine that we are on; builds are made below `work`, which need not exist."""
        place = next(path for path in (work, *work.parents) if path.exists())
        return cls(
            cores=len(os.sched_getaffinity(0)),
            memory_gib=_memory_bytes() / _GIB,
            disk_gib=shutil.disk_usage(place).free / _GIB,
            container=any(mark.exists() for mark in _CONTAINER_MARKS),
            udev=_library("libudev.so.1"),
        )


def _memory_bytes() -> int:
    """RAM and swap, or less where a control group allows less."""
    fields = dict(
        line.split(":", 1)
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    )
    total = sum(int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "SwapTotal"))
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no limit reads `max`
        return total


def _library(name: str) -> Path | None:
    return next((place / name for place in _LIBRARIES if (place / name).exists()), None)
