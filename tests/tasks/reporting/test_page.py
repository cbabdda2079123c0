"""A run's page holds all that was found, explains itself, and runs no script but its own."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.records.design import Gate, LayerEstimate
from tasks.core.records.measurement import Run, Verdict
from tasks.core.records.quality import Meaning
from tasks.quality.outputs import Outputs
from tasks.reporting import charts, page
from tests.tasks import samples

CLASSES = np.eye(4, dtype=np.float32)
FAILED = Gate(
    name="board accuracy",
    passed=False,
    value=0.5,
    threshold=0.02,
    mode="fail",
    message="the board classifies 50 % right",
    advice="look at the layers",
)
PASSED = Gate(
    name="deterministic", passed=True, value=None, threshold=None, mode="fail", message="all equal"
)


def ran(directory: Path, singles: list[float], **manifest: Any) -> Run:
    """A run whose single samples took so many seconds."""
    series = [{"samples": n, "seconds": [1e-6 * n] * 3} for n in (1, 16)]
    results = {"series": series, "latency_runs_s": singles}
    (directory / "results.json").write_text(json.dumps(results))
    measured = samples.measurement(directory=str(directory))
    package = measured.deployment.package
    package = package.model_copy(update={"manifest": samples.manifest(**manifest)})
    deployment = measured.deployment.model_copy(update={"package": package})
    return Run(
        flow_run_id="1",
        flow_run_name="tiny on twin",
        finished="2026-01-02T03:04:05+00:00",
        verdict=Verdict(
            measurement=measured.model_copy(update={"deployment": deployment}),
            gates=(PASSED, FAILED),
            bit_exact=4,
            samples=4,
            accuracy_board=1.0,
        ),
        steps_s={"convert": 20.0, "benchmark": 3.0},
    )


class Scripts(HTMLParser):
    """Collects the scripts that a browser would run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and ("type", "application/json") not in attrs

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  the parser's interface
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found.append(data)


def scripts(text: str) -> list[str]:
    parser = Scripts()
    parser.feed(text)
    return parser.found


def drawn(run: Run) -> dict[str, Any]:
    return charts.charts(run, Outputs(CLASSES, CLASSES, CLASSES))


def test_a_run_is_drawn_in_charts_that_fit_it(tmp_path: Path) -> None:
    steady = drawn(ran(tmp_path, [1e-6] * 20))
    assert list(steady) == [
        "Confusion matrix", "Time of a batch", "Utilisation of xc7z020clg400-1",
        "Time of each step",
    ]  # fmt: skip
    late = drawn(ran(tmp_path, [1e-6] * 19 + [9e-6]))
    assert set(late) - set(steady) == {"Time of one sample, 20 runs"}


def test_a_folded_core_shows_the_clocks_of_its_layers(tmp_path: Path) -> None:
    layers = (
        LayerEstimate(layer="hidden", fold="4 x 1", clocks=64),
        LayerEstimate(layer="", fold="queue of 2", clocks=2),
    )
    spec = drawn(ran(tmp_path, [1e-6] * 2, layers=layers))["Clocks of each layer"]
    assert "hidden" in json.dumps(spec)
    assert "queue of 2" not in json.dumps(spec)


def test_a_regression_shows_its_outputs_over_its_targets(tmp_path: Path) -> None:
    found = drawn(ran(tmp_path, [1e-6] * 2, meaning=Meaning(kind="values")))
    assert "Outputs of the board against y_test" in found


def test_the_page_shows_the_verdict_first_and_failed_gates_before_passed_ones(
    tmp_path: Path,
) -> None:
    run = ran(tmp_path, [1e-6] * 2)
    text = page.page(run, drawn(run), tmp_path / "package.tar.gz", "http://127.0.0.1/runs/1")
    assert re.search(r"<h1>tiny: <span class=\"bad\">FAILED</span></h1>", text)
    assert text.index("board accuracy") < text.index("deterministic")
    assert ">look at the layers</div>" in text
    assert "simulated" in text
    assert str(tmp_path / "package.tar.gz") in text


def test_the_page_shows_the_dress_rehearsal_beside_the_board(tmp_path: Path) -> None:
    alone = ran(tmp_path, [1e-6] * 2)
    run = alone.model_copy(update={"rehearsal": samples.verdict(cycles_per_sample=2.5)})
    text = page.page(run, {})
    row = r"<th>cycles per sample</th><td class=.value.>3 .*</td><td class=.value.>2.5 .*</td>"
    assert re.search(row, text)
    assert "<th>dress rehearsal</th>" in text
    assert "dress rehearsal" not in page.page(alone, {})


def test_only_the_pages_own_scripts_may_run(tmp_path: Path) -> None:
    run = ran(tmp_path, [1e-6] * 2)
    stored = page.page(run, drawn(run))
    assert scripts(stored) == []
    assert "script-src &#39;none&#39;" in stored
    text = page.complete(stored)
    digests = [
        base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts(text)
    ]
    assert len(digests) == 2
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none';")
    for digest in digests:
        assert f"sha256-{digest}" in policy


@pytest.mark.parametrize("name", ["<script>alert(1)</script>.keras", "![x](http://far/p.png)"])
def test_names_from_models_are_shown_as_text(tmp_path: Path, name: str) -> None:
    run = ran(tmp_path, [1e-6] * 2, model_name=name)
    run = run.model_copy(update={"flow_run_name": f"</title>{name}"})
    text = page.page(run, {f"{name}": {"data": "</script><script>alert(2)</script>"}})
    assert scripts(text) == []
    assert "<img" not in text
    assert text.count("</title>") == 1


def test_a_run_of_a_version_that_kept_no_charts_has_a_page_too(tmp_path: Path) -> None:
    text = page.complete(page.page(ran(tmp_path, [1e-6] * 2), {}))
    assert "<h2>Charts</h2>" not in text
    assert "<h2>Gates</h2>" in text
