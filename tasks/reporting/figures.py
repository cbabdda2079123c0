"""The figures of a verdict as text, used by the terminal, the report and the artifacts."""

from tasks.core.records.design import Resources
from tasks.core.records.measurement import BoardOutput, Measurement, Verdict
from tasks.core.records.package import Manifest
from tasks.core.records.quality import OutputQuality
from tasks.quality.each_output import each_output

RESOURCES = ("lut", "ff", "dsp", "bram_36k")
_WHO = ("framework", "hls4ml C simulation", "board")
_POWER_BY = {"board": "by the board's sensors", "meter": "by an external meter"}


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
            f"{verdict.bit_exact} of {verdict.samples} {samples}",
        ),
        ("clock read back", f"{measurement.clock_mhz:g} MHz{simulated}"),
        ("latency, batch 1", _latency(verdict) + simulated),
        ("cycles per sample", _number(measurement.cycles_per_sample) + simulated),
        ("inferences per second", f"{measurement.inferences_per_s:,.0f}{simulated}"),
        ("power", _power(measurement)),
        *_power_estimate(manifest),
        *utilisation_rows(verdict),
    ]


def quality_rows(verdict: Verdict) -> list[tuple[str, str]]:
    """Return accuracy or error of the framework, the C simulation and the board, with labels."""
    manifest = verdict.measurement.deployment.package.manifest
    if manifest.drawn_inputs:
        return [("accuracy", "not known: no test data")]
    pairs = zip(each_output(manifest), board_outputs(verdict), strict=True)
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


LAYER_RESOURCES = ("lut", "dsp", "bram_36k")
LAYER_COLUMNS = ("layer", "fold", "clocks", "multipliers", "LUT", "DSP", "BRAM")


def layer_rows(manifest: Manifest) -> list[tuple[str, ...]]:
    """Return a row for each layer of a folded core, their sum, and what the whole design took."""
    rows: list[tuple[str, ...]] = [
        (each.layer, each.fold, str(each.clocks), str(each.multipliers or ""), str(each.lut),
         str(each.dsp or ""), f"{each.bram_36k:g}" if each.bram_36k else "")
        for each in manifest.layers
    ]  # fmt: skip
    sums = (sum(getattr(each, name) for each in manifest.layers) for name in LAYER_RESOURCES)
    clocks = "" if manifest.interval_cycles is None else str(manifest.interval_cycles)
    rows.append(("all, estimated", "", clocks, "", *(f"{value:g}" for value in sums)))
    found = manifest.utilisation
    if found is not None:
        used = (f"{getattr(found.used, name):g}" for name in LAYER_RESOURCES)
        rows.append((f"all and the shell, {found.stage}", "", "", "", *used))
    return rows


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
