"""How far a build is: fractions from what the tools print and from the files that mark a run."""

import time
from collections.abc import Sequence
from pathlib import Path

from tasks.toolchains.toolchain import Listener, Progress
from tasks.toolchains.vivado.phases import Phase

# What Vivado HLS prints inside of C synthesis, and the share of its time that is over then.
_CHECKPOINTS = (
    ("Finished Linking", 0.06),
    ("Finished Checking Pragmas", 0.065),
    ("Finished Standard Transforms", 0.07),
    ("Finished Checking Synthesizability", 0.075),
    ("Finished Pre-synthesis", 0.44),
    ("Finished Architecture Synthesis", 0.53),
    ("Finished generating all RTL models", 0.99),
)
# Steps of an implementation run, with their typical shares (10 builds for Zynq).
_STEPS = (
    ("init_design", 0.16),
    ("opt_design", 0.11),
    ("place_design", 0.32),
    ("phys_opt_design", 0.02),
    ("route_design", 0.27),
    ("write_bitstream", 0.12),
)
# Shares of a whole build: block design, out-of-context runs, synthesis of the top, implementation.
_BLOCK_DESIGN, _OUT_OF_CONTEXT, _TOP, _REPORTS = 0.07, 0.32, 0.03, 0.06
_IMPLEMENTATION = 1 - _BLOCK_DESIGN - _OUT_OF_CONTEXT - _TOP - _REPORTS
_LEAST_STEP = 0.01


class Meter:
    """Tells a listener about progress: never backwards, and no more often than it is worth.

    Args:
        listener: to tell.
        expected_s: of the whole build, from earlier ones; None where there are none.
    """

    def __init__(self, listener: Listener, expected_s: float | None) -> None:
        self._listener = listener
        self._expected_s = expected_s
        self._start = time.monotonic()
        self._last = Progress(phase="", fraction=0.0, elapsed_s=0.0)

    def tell(self, phase: str, fraction: float) -> None:
        """Say that a phase has been reached, and the fraction of the whole."""
        fraction = min(1.0, max(fraction, self._last.fraction))
        is_new = phase != self._last.phase and self._last.fraction < 1
        if not is_new and fraction - self._last.fraction < _LEAST_STEP:
            return
        elapsed_s = time.monotonic() - self._start
        left_s = None
        if self._expected_s is not None:
            left_s = self._expected_s * (1 - fraction)
        elif fraction:
            left_s = elapsed_s * (1 - fraction) / fraction
        self._last = Progress(phase=phase, fraction=fraction, elapsed_s=elapsed_s, left_s=left_s)
        self._listener(self._last)


class HlsProgress:
    """Follows Vivado HLS by its lines.

    Args:
        meter: to move.
        phases: all of the build.
        done: those that were done before.
    """

    def __init__(self, meter: Meter, phases: Sequence[Phase], done: Sequence[Phase]) -> None:
        self._meter = meter
        self._phases = phases
        self._finished = {phase.name for phase in done}

    def line(self, text: str) -> None:
        """Take one line of the tool's output."""
        for phase in self._phases:
            if phase.marker in text:
                self._finished.add(phase.name)
                self._meter.tell(f"{phase.name} done", self._fraction())
                return
        for checkpoint, share in _CHECKPOINTS:
            if checkpoint in text:
                inside = next((p.share for p in self._phases if p.name == "synth"), 0.0) * share
                self._meter.tell(f"synth: {checkpoint.lower()}", self._fraction(inside))
                return

    def _fraction(self, inside: float = 0.0) -> float:
        over = sum(phase.share for phase in self._phases if phase.name in self._finished)
        return (over + inside) / sum(phase.share for phase in self._phases)


class RunsProgress:
    """Follows Vivado by the files with which it marks the steps of its runs.

    Args:
        meter: to move.
        runs: the directory of all runs.
    """

    def __init__(self, meter: Meter, runs: Path) -> None:
        self._meter = meter
        self._runs = runs
        self._printed = 0

    def poll(self) -> bool:
        """Look at the files; whether the runs have printed something since.

        Vivado itself shows the output of one run only, while others may work for hours.
        """
        self._tell()
        before = self._printed
        self._printed = sum(map(_size, self._runs.glob("*/runme.log")))
        return self._printed != before

    def _tell(self) -> None:
        runs = [path for path in self._runs.glob("*") if path.is_dir()]
        if not runs:
            self._meter.tell("block design", 0.0)
            return
        others = [path for path in runs if path.name not in ("synth_1", "impl_1")]
        ended = [path for path in others if ended_run(path)]
        # Runs whose result came out of Vivado's cache have no marks.
        if not (self._runs / "synth_1" / ".vivado.begin.rst").exists():
            fraction = _BLOCK_DESIGN + _OUT_OF_CONTEXT * len(ended) / max(1, len(others))
            self._meter.tell(f"out of context: {len(ended)} of {len(others)} runs", fraction)
            return
        fraction = _BLOCK_DESIGN + _OUT_OF_CONTEXT
        if not (self._runs / "impl_1" / ".init_design.begin.rst").exists():
            self._meter.tell("synthesis of the top", fraction)
            return
        self._implementation(fraction + _TOP)

    def _implementation(self, before: float) -> None:
        for step, share in _STEPS:
            if not (self._runs / "impl_1" / f".{step}.end.rst").exists():
                self._meter.tell(step, before)
                return
            before += _IMPLEMENTATION * share
        self._meter.tell("reports", before)


def ended_run(directory: Path) -> bool:
    """Whether a run of Vivado came to its end without an error, by its marker files."""
    if not (directory / ".vivado.end.rst").exists() or any(directory.glob(".*.error.rst")):
        return False
    return directory.name != "impl_1" or (directory / ".write_bitstream.end.rst").exists()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # the run was reset just now
        return 0
