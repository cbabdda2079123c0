"""The pictures of a run, drawn from what the board's runner wrote."""

import json
from pathlib import Path

import numpy as np
import pytest

from tasks.core.records.design import Resources, Utilisation
from tasks.core.records.measurement import Run
from tasks.quality.outputs import Outputs
from tasks.reporting import pictures
from tests.tasks import samples

CLASSES = np.eye(4, dtype=np.float32)
Drawn = dict[str, bytes]


def drawn(directory: Path, singles: list[float]) -> Drawn:
    """Pictures of a run whose single samples took so many seconds."""
    series = [{"samples": n, "seconds": [1e-6 * n] * 3} for n in (1, 16)]
    results = {"series": series, "latency_runs_s": singles}
    (directory / "results.json").write_text(json.dumps(results))
    used = Utilisation(
        stage="placed",
        used=Resources(lut=1000, ff=2000, dsp=3, bram_36k=4),
        available=samples.XC7Z020,
    )
    run = Run(
        flow_run_id="1",
        flow_run_name="tiny on twin",
        finished="2026-01-02T03:04:05+00:00",
        verdict=samples.verdict(samples.manifest(utilisation=used), directory=str(directory)),
        steps_s={"convert": 20.0, "benchmark": 3.0},
    )
    return pictures.pictures(run, Outputs(CLASSES, CLASSES, CLASSES))


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return drawn(tmp_path_factory.mktemp("steady"), [1e-6] * 20)


def test_a_run_is_drawn_in_four_pictures(steady: Drawn) -> None:
    assert list(steady) == ["confusion matrix", "latency", "utilisation", "time per step"]
    assert all(png.startswith(b"\x89PNG") for png in steady.values())
    assert sum(map(len, steady.values())) < 100_000, "they stand inside an artifact"


def test_how_single_samples_spread_shows_in_the_picture_of_the_latency(
    steady: Drawn, tmp_path: Path
) -> None:
    late = drawn(tmp_path, [1e-6] * 19 + [9e-6])
    assert [title for title in late if late[title] != steady[title]] == ["latency"]
