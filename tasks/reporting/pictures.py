"""Draw the pictures of a run."""

import json
from pathlib import Path

from tasks.conversion.meaning import cut, decisions, expected_decisions
from tasks.core.records.measurement import Run
from tasks.quality.each_output import each_output
from tasks.quality.outputs import Outputs
from tasks.reporting import plots


def pictures(run: Run, found: Outputs) -> dict[str, bytes]:
    """Return PNGs by title: confusion matrix (with class labels), latency, utilisation, step times.

    Args:
        run: the run with its verdict.
        found: the run's outputs.
    """
    verdict = run.verdict
    measurement = verdict.measurement
    manifest = measurement.deployment.package.manifest
    drawn = {}
    outputs = each_output(manifest)
    pairs = zip(cut(found.expected, outputs), cut(found.board, outputs), strict=True)
    for output, (expected, board) in zip(outputs, pairs, strict=True):
        if output.meaning.kind != "values":
            drawn[f"confusion matrix {output.name}".strip()] = plots.confusion_matrix(
                expected_decisions(expected, output.meaning), decisions(board, output.meaning)
            )
    results = json.loads((Path(measurement.directory) / "results.json").read_text())
    points = [(each["samples"], t) for each in results["series"] for t in each["seconds"]]
    note = f"at {measurement.clock_mhz:g} MHz" + (", simulated" if measurement.simulated else "")
    drawn["latency"] = plots.latency(results["latency_runs_s"], points, measurement.fit, note)
    if manifest.utilisation is not None:
        drawn["utilisation"] = plots.utilisation(manifest.utilisation, manifest.part)
    if run.steps_s:
        drawn["time per step"] = plots.steps(run.steps_s)
    return drawn
