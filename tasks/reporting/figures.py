"""The figures of a verdict as text, used by the terminal, the report and the artifacts."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tasks.core.records.base import spelt
from tasks.core.records.design import Gate, Resources, resource_label
from tasks.core.records.measurement import BoardOutput, Measurement, Run, Verdict
from tasks.core.records.package import Manifest
from tasks.core.records.quality import OutputQuality
from tasks.quality import baselines
from tasks.quality.gates import COUNTED, resource_shares

RESOURCES = ("lut", "ff", "dsp", "bram_36k")
_WHO = ("framework", "hls4ml C simulation", "board")
_POWER_BY = {"board": "by the board's sensors", "meter": "by an external meter"}


class Headline(NamedTuple):
    """A figure that is looked at first.

    Attributes:
        against: what it is held against, a line each.
    """

    label: str
    value: str
    against: tuple[str, ...]


def headlines(verdict: Verdict) -> list[Headline]:
    """Return the five figures that are looked at first."""
    measurement = verdict.measurement
    manifest = measurement.deployment.package.manifest
    by_name = {gate.name: gate.message for gate in verdict.gates}
    simulated = ("simulated",) if measurement.simulated else ()
    cycles = f"{_number(measurement.cycles_per_sample)} cycles a sample"

    def baseline(name: str) -> tuple[str, ...]:
        message = by_name.get(baselines.PREFIX + name)
        return () if message is None else (message.split("; ")[0],)

    if verdict.outputs:
        good = Headline("outputs", quality(verdict), ())  # their framework's are in the table
    elif verdict.accuracy_board is None and verdict.rmse_board is not None:
        reference = manifest.rmse_framework
        shown = "not known" if reference is None else f"{reference:.4g}"
        good = Headline("RMSE", f"{verdict.rmse_board:.4g}", (f"framework {shown}",))
    else:
        reference = manifest.accuracy_framework
        shown = "not known" if reference is None else percent(reference)
        good = Headline("accuracy", quality(verdict), (f"framework {shown}",))
    samples = "random inputs" if manifest.drawn_inputs else "test samples"
    exact = verdict.bit_exact / verdict.samples
    return [
        good._replace(against=(*good.against, *baseline("accuracy"), *baseline("error"))),
        Headline(
            "bit-exact",
            "100%" if exact == 1 else f"{exact:.2%}",
            (f"{verdict.bit_exact:,} of {verdict.samples:,} {samples} equal the C simulation",),
        ),
        Headline(
            "latency, batch 1",
            f"{measurement.latency_s['p50'] * 1e6:.3g} µs",
            (f"p50 at {measurement.clock_mhz:g} MHz", *baseline("latency"), *simulated),
        ),
        Headline(
            "inferences per second",
            f"{measurement.inferences_per_s:,.0f}",
            (cycles, *baseline("throughput"), *simulated),
        ),
        _tightest(verdict, baseline("utilisation")),
    ]


def _tightest(verdict: Verdict, baseline: tuple[str, ...]) -> Headline:
    """The resource of which the design takes the largest share."""
    manifest = verdict.manifest
    if manifest.utilisation is None:
        return Headline("utilisation", "not known", ())
    shares = resource_shares(manifest.utilisation)
    name = max(shares, key=lambda each: shares[each])
    limits = [gate.threshold for gate in verdict.gates if gate.name == COUNTED]
    return Headline(
        f"{resource_label(name)}, the tightest resource",
        f"{shares[name]:.1%}",
        (
            f"of {manifest.part}, {manifest.utilisation.stage}",
            *(f"limit {limit:.0%}" for limit in limits if limit is not None),
            *baseline,
        ),
    )


def ordered(gates: Iterable[Gate]) -> list[Gate]:
    """Return the gates, those that failed first."""
    return sorted(gates, key=lambda gate: (gate.passed, gate.mode == "warn"))


def result(gate: Gate) -> str:
    """Return a gate's result as text."""
    if gate.passed:
        return "passed"
    return "FAILED" if gate.mode == "fail" else "failed (warning)"


def rows(verdict: Verdict) -> list[tuple[str, str]]:
    """Return label and value of every figure of interest."""
    measurement = verdict.measurement
    manifest = measurement.deployment.package.manifest
    simulated = " (simulated)" if measurement.simulated else ""
    ran_on = "twin" if measurement.simulated else "hardware"
    deployment = measurement.deployment
    samples = "random inputs" if manifest.drawn_inputs else "test samples"
    return [
        ("verdict", "passed" if verdict.passed else "FAILED"),
        ("model", f"{manifest.model_name} (SHA-256 {manifest.model_digest[:12]})"),
        ("board", f"{deployment.board} ({deployment.board_kind}, {ran_on})"),
        *quality_rows(verdict),
        (
            "bit-exact with the C simulation",
            f"{verdict.bit_exact:,} of {verdict.samples:,} {samples}",
        ),
        ("clock read back", f"{measurement.clock_mhz:g} MHz{simulated}"),
        ("latency, batch 1", _latency(verdict) + simulated),
        ("cycles per sample", _number(measurement.cycles_per_sample) + simulated),
        ("inferences per second", f"{measurement.inferences_per_s:,.0f}{simulated}"),
        ("power", _power(measurement)),
        *_power_estimate(manifest),
        *utilisation_rows(verdict),
        *_logic_delay(manifest),
    ]


def side_by_side(run: Run) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns and rows: every figure of the board and, if there was one, the rehearsal."""
    now = dict(rows(run.verdict))
    if run.rehearsal is None:
        return ("figure", "value"), list(now.items())
    before = dict(rows(run.rehearsal))
    columns = ("figure", run.verdict.measurement.deployment.board, "dress rehearsal")
    return columns, [(each, now.get(each, ""), before.get(each, "")) for each in now | before]


def quality_rows(verdict: Verdict) -> list[tuple[str, str]]:
    """Return accuracy or error of the framework, the C simulation and the board, with labels."""
    manifest = verdict.manifest
    if manifest.drawn_inputs:
        return [("accuracy", "not known: no test data")]
    pairs = zip(manifest.each_output, board_outputs(verdict), strict=True)
    rows = [row for output, board in pairs for row in _output_rows(output, board)]
    if verdict.max_error_board:
        rows.append(("board, largest error against C simulation", f"{verdict.max_error_board:.4g}"))
    return rows


def _output_rows(output: OutputQuality, board: BoardOutput) -> list[tuple[str, str]]:
    """Return the figures of one output."""
    meaning, fidelity = output.meaning, output.fidelity
    accuracies = (output.accuracy_framework, output.accuracy_csim, board.accuracy)
    errors = (output.rmse_framework, output.rmse_csim, board.rmse)
    rows: list[tuple[str, str]] = []
    if meaning.kind != "values":
        # An imported package may not know the framework's.
        shown = ["not known" if each is None else percent(each) for each in accuracies]
        rows += zip([f"accuracy, {who}" for who in _WHO], shown, strict=True)
    if meaning.threshold is not None:
        rows.append(("an output says yes from", f"{meaning.threshold:g}"))
    if meaning.kind == "values" or meaning.soft:
        shown = ["not known" if each is None else f"{each:.4g}" for each in errors]
        rows += zip([f"RMSE against y_test, {who}" for who in _WHO], shown, strict=True)
    if fidelity is not None:
        if fidelity.agreement is not None:
            rows.append(("C simulation agrees with framework", f"{fidelity.agreement:.2%}"))
        error = (
            f"RMSE {fidelity.rmse:.4g}, largest {fidelity.max_error:.4g} "
            f"(the framework's outputs spread by {fidelity.spread:.4g})"
        )
        rows.append(("C simulation, error against framework", error))
    return [(f"{output.name}: {label}" if output.name else label, text) for label, text in rows]


def board_outputs(verdict: Verdict) -> tuple[BoardOutput, ...]:
    """Return what the board gave for each output; the only one has no name."""
    return verdict.outputs or (
        BoardOutput(
            accuracy=verdict.accuracy_board,
            rmse=verdict.rmse_board,
            max_error=verdict.max_error_board or 0.0,
        ),
    )


def quality(verdict: Verdict) -> str:
    """Return the board's accuracy, or its error where there are no classes, of each output."""
    return ", ".join(
        f"{board.name} {_quality(board)}" if board.name else _quality(board)
        for board in board_outputs(verdict)
    )


def _quality(board: BoardOutput) -> str:
    if board.accuracy is None and board.rmse is not None:
        return f"RMSE {board.rmse:.4g}"
    return percent(board.accuracy)


def _power(measurement: Measurement) -> str:
    if measurement.power_w is None:
        return "not measured"
    return f"{measurement.power_w:.2f} W ({_POWER_BY[measurement.power_by or 'board']})"


def _power_estimate(manifest: Manifest) -> list[tuple[str, str]]:
    watts = manifest.power_estimate_w
    return [] if watts is None else [("power of the chip, estimated", f"{watts:.2f} W")]


def utilisation_rows(verdict: Verdict) -> list[tuple[str, str]]:
    """Return label and value of each resource: used, available and the share."""
    manifest = verdict.manifest
    found = manifest.utilisation
    if found is None:
        return [("utilisation", "not known")]
    return [
        (
            f"{resource_label(name)} of {manifest.part}",
            _share(found.used, found.available, name) + f", {found.stage}",
        )
        for name in RESOURCES
    ]


def _logic_delay(manifest: Manifest) -> list[tuple[str, str]]:
    delay = manifest.utilisation and manifest.utilisation.logic_delay_ns
    if delay is None:
        return []
    period = 1000 / manifest.clock_mhz
    return [("longest path", f"{delay:.2f} of {period:g} ns (estimated, without routing)")]


def percent(share: float | None) -> str:
    """Return a share as a percentage, or 'no class labels' for None."""
    return "no class labels" if share is None else f"{share:.2%}"


def _share(used: Resources, available: Resources, name: str) -> str:
    have = getattr(available, name)
    take = getattr(used, name)
    return f"{take:,g} of {have:,g} ({take / have:.1%})" if have else f"{take:,g}"


def _latency(verdict: Verdict) -> str:
    measurement = verdict.measurement
    parts = [f"{name} {seconds * 1e6:.3g} µs" for name, seconds in measurement.latency_s.items()]
    if measurement.latency_cycles is not None:
        parts.append(f"{measurement.latency_cycles} cycles from first word in to first word out")
    return ", ".join(parts)


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"


def provenance_rows(verdict: Verdict) -> list[tuple[str, str]]:
    """Return what the figures come from: package, model, data, commit and versions."""
    manifest = verdict.manifest
    built = manifest.provenance
    rows: list[tuple[str, str]] = [
        ("package", f"SHA-256 {verdict.measurement.deployment.package.digest}"),
        ("model", f"SHA-256 {manifest.model_digest}"),
        ("test data", f"SHA-256 {manifest.data_digest}" if manifest.data_digest else "not known"),
    ]
    if built is not None:
        dirty = {None: "", True: " with uncommitted changes", False: ""}[built.git_dirty]
        rows += [
            ("git commit", (built.git_commit or "not in a git repository") + dirty),
            ("packaged", f"{built.built} by flow run {built.flow_run_id or 'none'}"),
        ]
    rows += [
        ("versions where it was built", _versions(manifest.versions)),
        ("versions on the board", _versions(verdict.measurement.versions)),
    ]
    return rows


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in versions.items())


def settings_rows(manifest: Manifest) -> list[tuple[str, str]]:
    """Return what was set for the conversion, and what was chosen where nothing was set."""
    if manifest.settings is None:
        return []
    kept = manifest.settings.model_dump(exclude={"board_kind", "project_name"})
    rows: list[tuple[str, str]] = [
        (spelt(name), f"{value:g}" if isinstance(value, float) else str(value))
        for name, value in kept.items()
        if value not in ({}, None, "", 0)
    ]
    rows += [(f"chosen for {layer}", text) for layer, text in manifest.formats.items()]
    return rows
