"""How long builds took on this machine, for an estimate of how long the next one will take."""

import contextlib
import json
from pathlib import Path

from pydantic import ValidationError

from tasks.records import Record, StepName

_FILE = "durations.jsonl"
_MOST = 500


class Duration(Record):
    """One build.

    Attributes:
        step: that was built.
        part: for which.
        size: of the design, in what the step counts by; comparable within a step only.
        seconds: that the tool took.
    """

    step: StepName
    part: str
    size: float
    seconds: float


def note(directory: Path, duration: Duration) -> None:
    """Keep a build's time; a line that cannot be kept is no reason to lose the build."""
    with contextlib.suppress(OSError), (directory / _FILE).open("a", encoding="utf-8") as file:
        file.write(f"{duration.model_dump_json()}\n")


def expected_s(directory: Path, step: StepName, part: str, size: float) -> float | None:
    """The time of the build of that step whose design was the most similar in size."""
    similar = [each for each in _read(directory) if (each.step, each.part) == (step, part)]
    if not similar:
        return None
    # Of equal ones, the latest.
    return min(reversed(similar), key=lambda each: abs(each.size - size)).seconds


def _read(directory: Path) -> list[Duration]:
    known = []
    with contextlib.suppress(FileNotFoundError):
        for line in (directory / _FILE).read_text(encoding="utf-8").splitlines()[-_MOST:]:
            with contextlib.suppress(ValidationError, json.JSONDecodeError):  # cut off, or older
                known.append(Duration.model_validate_json(line))
    return known
