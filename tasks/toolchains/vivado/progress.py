"""Measures a build's progress by its runs' marker files, and its duration by earlier builds."""

import contextlib
import json
import time
from pathlib import Path

from pydantic import ValidationError

from tasks.core.records.base import Record, StepName
from tasks.toolchains.base import Listener, Progress

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
_FILE = "durations.jsonl"
_MOST = 500


class ProgressMeter:
    """Reports progress to a listener: never backwards, and not too often.

    Args:
        listener: receives the progress.
        expected_s: of the whole build, from earlier ones; None if there are none.
    """

    def __init__(self, listener: Listener, expected_s: float | None) -> None:
        self._listener = listener
        self._expected_s = expected_s
        self._start = time.monotonic()
        self._last = Progress(phase="", fraction=0.0, elapsed_s=0.0)

    def tell(self, phase: str, fraction: float) -> None:
        """Report the phase reached and the fraction done."""
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


class RunsProgress:
    """Follows Vivado by the marker files for the steps of its runs.

    Args:
        meter: to update.
        runs: the directory of all runs.
    """

    def __init__(self, meter: ProgressMeter, runs: Path) -> None:
        self._meter = meter
        self._runs = runs
        self._printed = 0

    def poll(self) -> bool:
        """Check the files; return whether the runs have printed anything since.

        Vivado only shows the output of one run, while others may work for hours.
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
        # Runs whose result came from Vivado's cache have no marker files.
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
    """Return whether a run of Vivado ended without an error, by its marker files."""
    if not (directory / ".vivado.end.rst").exists() or any(directory.glob(".*.error.rst")):
        return False
    return directory.name != "impl_1" or (directory / ".write_bitstream.end.rst").exists()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # the run was reset just now
        return 0


class Duration(Record):
    """The duration of a build.

    Attributes:
        step: of the build.
        part: target part.
        size: of the design, in the step's own unit.
        seconds: taken by the tool.
    """

    step: StepName
    part: str
    size: float
    seconds: float


def note(directory: Path, duration: Duration) -> None:
    """Record a build's time; failing to write it does not fail the build."""
    with contextlib.suppress(OSError), (directory / _FILE).open("a", encoding="utf-8") as file:
        file.write(f"{duration.model_dump_json()}\n")


def expected_s(directory: Path, step: StepName, part: str, size: float) -> float | None:
    """Return the time of the step's build whose design was the most similar in size."""
    similar = [each for each in _read(directory) if (each.step, each.part) == (step, part)]
    if not similar:
        return None
    # Among equal ones, the latest.
    return min(reversed(similar), key=lambda each: abs(each.size - size)).seconds


def _read(directory: Path) -> list[Duration]:
    known = []
    with contextlib.suppress(FileNotFoundError):
        for line in (directory / _FILE).read_text(encoding="utf-8").splitlines()[-_MOST:]:
            with contextlib.suppress(ValidationError, json.JSONDecodeError):  # cut off, or older
                known.append(Duration.model_validate_json(line))
    return known
