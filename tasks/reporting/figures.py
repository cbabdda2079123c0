"""The figures of a verdict as text, used by the terminal, the report and the artifacts."""

from tasks.core.records.design import Resources
from tasks.core.records.measurement import Measurement, Verdict

RESOURCES = ("lut", "ff", "dsp", "bram_36k")
_POWER_BY = {"board": "by the board's sensors", "meter": "by an external meter"}


def rows(verdict: Verdict) -> list[tuple[str, str]]:
    """Return label and value of every figure of interest."""
    measurement = verdict.measurement
    manifest = measurement.deployment.package.manifest
    simulated = " (simulated)" if measurement.simulated else ""
    deployment = measurement.deployment
    samples = "random inputs" if manifest.drawn_inputs else "test samples"
    return [
        ("verdict", "passed" if verdict.passed else "FAILED"),
        ("model", f"{manifest.model_name} (SHA-256 {manifest.model_digest[:12]})"),
        ("board", f"{deployment.board} ({deployment.board_kind}, {manifest.target})"),
        *_accuracies(verdict),
        (
            "bit-exact with the C simulation",
            f"{verdict.bit_exact} of {verdict.samples} {samples}",
        ),
        ("clock read back", f"{measurement.clock_mhz:g} MHz{simulated}"),
        ("latency, batch 1", _latency(verdict) + simulated),
        ("cycles per sample", _number(measurement.cycles_per_sample) + simulated),
        ("inferences per second", f"{measurement.inferences_per_s:,.0f}{simulated}"),
        ("power", _power(measurement)),
        *utilisation_rows(verdict),
    ]


def _accuracies(verdict: Verdict) -> list[tuple[str, str]]:
    manifest = verdict.measurement.deployment.package.manifest
    if manifest.drawn_inputs:
        return [("accuracy", "not known: no test data")]
    return [
        ("accuracy, framework", percent(manifest.accuracy_framework)),
        ("accuracy, hls4ml C simulation", percent(manifest.accuracy_csim)),
        ("accuracy, board", percent(verdict.accuracy_board)),
    ]


def _power(measurement: Measurement) -> str:
    if measurement.power_w is None:
        return "not measured"
    return f"{measurement.power_w:.2f} W ({_POWER_BY[measurement.power_by or 'board']})"


def utilisation_rows(verdict: Verdict) -> list[tuple[str, str]]:
    """Return label and value of each resource: used, available and the share."""
    manifest = verdict.measurement.deployment.package.manifest
    found = manifest.utilisation
    if found is None:
        return [("utilisation", "not known")]
    return [
        (
            f"{name.upper().replace('_', ' ')} of {manifest.part}",
            _share(found.used, found.available, name) + f", {found.stage}",
        )
        for name in RESOURCES
    ]


def percent(share: float | None) -> str:
    """Return a share as a percentage, or 'no class labels' for None."""
    return "no class labels" if share is None else f"{share:.2%}"


def _share(used: Resources, available: Resources, name: str) -> str:
    have = getattr(available, name)
    take = getattr(used, name)
    return f"{take:g} of {have:g} ({take / have:.1%})" if have else f"{take:g}"


def _latency(verdict: Verdict) -> str:
    measurement = verdict.measurement
    parts = [f"{name} {seconds * 1e6:.3g} µs" for name, seconds in measurement.latency_s.items()]
    if measurement.latency_cycles is not None:
        parts.append(f"{measurement.latency_cycles} cycles from first word in to first word out")
    return ", ".join(parts)


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"
