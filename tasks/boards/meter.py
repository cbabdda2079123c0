"""An external power meter: a command on this host that prints watts while the board works.

The command runs as long as the measurement does and prints one figure a line, each as soon as it is
read. Which figures count is told by `mark`: by what the board did when they were printed.
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
# What board/runner.py calls the two parts of the power measurement, and what follows them.
IDLE, LOAD, DONE = "power idle", "power load", "power"


class Meter:
    """A meter that runs.

    Attributes:
        path: of everything that it prints.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._marks: dict[str, int] = {}

    def mark(self, phase: str) -> None:
        """Say what the board does from now on."""
        self._marks[phase] = self.path.stat().st_size

    def watts(self) -> float | None:
        """Mean power under load, in W; None, and a warning, if the meter told none."""
        idle, load = self._mean(IDLE, LOAD), self._mean(LOAD, DONE)
        if load is None:
            log.warning("the meter gave no reading under load: see %s", self.path)
        else:
            log.info(
                "the meter read %s W idle, %.3g W under load", f"{idle:.3g}" if idle else "?", load
            )
        return load

    def _mean(self, phase: str, following: str) -> float | None:
        """Mean of the figures that were printed in a phase, in W."""
        begin, end = self._marks.get(phase), self._marks.get(following)
        if begin is None or end is None:
            return None
        printed = self.path.read_bytes()
        # Whole lines only, each in the phase in which it ended.
        first, after = (printed.rfind(b"\n", 0, mark) + 1 for mark in (begin, end))
        whole = printed[first:after]
        found = [watts for line in whole.splitlines() if (watts := _figure(line)) is not None]
        return fmean(found) if found else None


@contextlib.contextmanager
def metering(command: Sequence[str], out: Path) -> Iterator[Meter]:
    """Runs a meter's command for the length of the block.

    Args:
        command: program and arguments; never seen by a shell.
        out: where it runs, and where what it prints is kept.

    Raises:
        ToolMissingError: this host has no such command.
    """
    program = shutil.which(command[0])
    if program is None:
        raise ToolMissingError(
            f"{command[0]} cannot be started: no such command",
            where="power meter",
            remedy="the board's meter is read by the machine that runs the flow: install it there, "
            "or add the board again without --meter",
        )
    path = out / LOG
    with guarded([Path(program).absolute(), *command[1:]], cwd=out, log=path):
        yield Meter(path)


def _figure(line: bytes) -> float | None:
    """A line's figure; None if it is none."""
    with contextlib.suppress(ValueError):
        if math.isfinite(watts := float(line)):
            return watts
    return None
