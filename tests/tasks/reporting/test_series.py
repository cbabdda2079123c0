"""The history of a project as a page: a picture over a table."""

import base64
import re

from tasks.core.records.measurement import Run, Verdict
from tasks.reporting import series
from tests.tasks import samples


def run(accuracy: float | None) -> Run:
    verdict = Verdict(
        measurement=samples.measurement(), gates=(), bit_exact=4, samples=4, accuracy_board=accuracy
    )
    finished = "2026-01-02T03:04:00+00:00"
    return Run(flow_run_id="1", flow_run_name="tiny", finished=finished, verdict=verdict)


def height(text: str) -> int:
    picture = re.search(r"base64,([\w+/=]+)", text)
    assert picture is not None
    png = base64.b64decode(picture[1])
    assert png.startswith(b"\x89PNG")
    return int.from_bytes(png[20:24])


def test_a_project_without_an_accuracy_has_one_curve_less() -> None:
    with_accuracy = series.markdown("tiny", [run(1.0), run(0.5)])
    without = series.markdown("tiny", [run(None), run(None)])
    assert height(without) < height(with_accuracy)
    assert "tiny: last runs" in without
