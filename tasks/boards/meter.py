"""Reads an external power meter: a command on this host that prints watts while the board works.

The command runs during the whole measurement and prints one reading per line, as soon as it is
taken. `mark` records the phase of the board's run, and so which readings count.
"""

import contextlib
import logging
import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from tasks.core.errors import ToolMissingError
from tasks.processes.run import guarded

log = logging.getLogger(__name__)

LOG = "meter.log"
# board/runner.py's names of the two phases of the power measurement, and of the following one.
IDLE, LOAD, DONE = "power idle", "power load", "power"


class Meter:
    """A running meter.

    Attributes:
        path: file with its complete output.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._marks: dict[str, int] = {}

    def mark(self, phase: str) -> None:
        """Record the phase of the board's run that begins now."""
        self._marks[phase] = self.path.stat().st_size

    def watts(self) -> float | None:
        """Return the mean power under load in W; warn and return None without readings."""
        idle, load = self._mean(IDLE, LOAD), self._mean(LOAD, DONE)
        if load is None:
            log.warning("the meter gave no reading under load: see %s", self.path)
        else:
            log.info(
                "the meter read %s W idle, %.3g W under load", f"{idle:.3g}" if idle else "?", load
            )
        return load

    def _mean(self, phase: str, following: str) -> float | None:
        """Return the mean of the readings in a phase, in W."""
        begin, end = self._marks.get(phase), self._marks.get(following)
        if begin is None or end is None:
            return None
        printed = self.path.read_bytes()
        # Only complete lines count, each in the phase in which it ended.
        first, after = (printed.rfind(b"\n", 0, mark) + 1 for mark in (begin, end))
        whole = printed[first:after]
        found = [watts for line in whole.splitlines() if (watts := _figure(line)) is not None]
        return fmean(found) if found else None


@contextlib.contextmanager
def metering(command: Sequence[str], out: Path) -> Iterator[Meter]:
    """Run a meter's command for the duration of the block.

    Args:
        command: program and arguments; no shell is involved.
        out: its working directory, where its output is kept.

    Raises:
        ToolMissingError: this host has no such command.
    """
    program = shutil.which(command[0])
    if program is None:
        raise ToolMissingError(
            f"{command[0]} cannot be started: no such command",
            where="power meter",
            remedy="the machine that runs the flow reads the meter: install the command there, "
            "or add the board again without --meter",
        )
    path = out / LOG
    with guarded([Path(program).absolute(), *command[1:]], cwd=out, log=path):
        yield Meter(path)


def _figure(line: bytes) -> float | None:
    """Return the reading in a line; None if there is none."""
    with contextlib.suppress(ValueError):
        if math.isfinite(watts := float(line)):
            return watts
    return None
