"""Sweep files over the digits example, and runs that need no tools."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.core.records.design import Resources, Utilisation
from tasks.core.records.measurement import Run
from tasks.sweeps.file import SweepFile
from tasks.sweeps.points import Point
from tests.tasks import samples

DIGITS = Path(__file__).resolve().parents[3] / "examples" / "digits"
BASE = f"base: {{model: {DIGITS / 'digits.keras'}, data: {DIGITS / 'digits.npz'}}}\n"

Write = Callable[..., SweepFile]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A sweep of the digits model with this text."""

    def make(text: str, *, base: str = BASE) -> SweepFile:
        path = tmp_path / "sweep.yaml"
        path.write_text(f"name: test\n{base}{text}")
        return SweepFile(path)

    return make


def measured(point: Point, *, accuracy: float = 0.9, lut: int = 1000, us: float = 1.0) -> Run:
    """A run of a point, with these figures."""
    used = Utilisation(
        stage="synthesised",
        used=Resources(lut=lut, ff=1, dsp=0, bram_36k=0),
        available=samples.XC7Z020,
    )
    described = samples.manifest(utilisation=used, settings=point.conversion)
    return Run(
        flow_run_id=point.digest[:8],
        flow_run_name=point.name,
        finished="2026-01-01T00:00:00+00:00",
        verdict=samples.verdict(described, accuracy=accuracy, latency_s={"p50": us * 1e-6}),
    )
