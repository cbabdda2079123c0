"""Gates between the steps: each compares one figure with one threshold."""

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from tasks.core.errors import DoesNotFitError, GateError
from tasks.core.records.base import Settings
from tasks.core.records.design import (
    Gate,
    HlsProject,
    Implementation,
    Resources,
    Synthesis,
    Utilisation,
    resource_label,
)
from tasks.core.records.quality import Fidelity, OutputQuality

Mode = Literal["fail", "warn"]
ESTIMATED, SYNTHESISED, COUNTED = "estimated utilisation", "synthesised utilisation", "utilisation"
UTILISATION_GATES = (ESTIMATED, SYNTHESISED, COUNTED)
# Up to this many outputs are checked one by one; pixels of an image are not.
FEW_OUTPUTS = 32


class GateSettings(Settings):
    """Thresholds of the gates, and what a failed gate does.

    Attributes:
        mode: `fail` ends the flow at a failed gate, `warn` continues with a warning.
        csim_accuracy_drop: Maximum accuracy lost from framework to C simulation (0.02 = 2 %).
        csim_agreement: Minimum share of decisions in which C simulation and framework agree.
        csim_class_agreement: The same within each class that the framework finds 5 times or more.
        csim_rmse: Maximum RMSE between C simulation and framework, as a share of the spread
            (standard deviation) of the framework's outputs; for values and probabilities.
        csim_output_rmse: The same for the worst of up to 32 outputs, by its own spread.
        csim_max_error: Maximum difference of a single output, as a multiple of the spread; for
            values.
        wrapped_share: Maximum share of a layer's values, or of X_test, that leave their number
            format and wrap around.
        board_accuracy_drop: Maximum accuracy lost from framework to board.
        bit_exact_share: Minimum share of samples that match the C simulation bit for bit.
        estimate: Maximum estimated utilisation (1.25 = 125 %); larger designs stop before the long
            tools start.
        utilisation: Maximum utilisation of any resource of the part; also checked before placement
            where the toolchain places.
        clock_error: Maximum relative deviation between clock requested, built and read back.
        setup_slack_ns: Minimum setup slack where the toolchain routes.
        hold_slack_ns: Minimum hold slack where the toolchain routes.
        pulse_width_slack_ns: Minimum pulse width slack where the toolchain routes.
        baseline: What happens to a run that is worse than its accepted baseline.
        accuracy_loss: Maximum accuracy lost against the baseline.
        error_growth: Maximum relative growth of the RMSE against the baseline.
        slowdown: Maximum relative loss of latency and throughput against the baseline.
        growth: Maximum growth of any resource against the baseline, as a share of the part.
    """

    mode: Mode = "fail"
    csim_accuracy_drop: float = Field(default=0.02, ge=0, le=1)
    csim_agreement: float = Field(default=0.95, ge=0, le=1)
    csim_class_agreement: float = Field(default=0.5, ge=0, le=1)
    csim_rmse: float = Field(default=0.1, ge=0)
    csim_output_rmse: float = Field(default=0.5, ge=0)
    csim_max_error: float = Field(default=1.0, ge=0)
    wrapped_share: float = Field(default=0.0, ge=0, le=1)
    board_accuracy_drop: float = Field(default=0.02, ge=0, le=1)
    bit_exact_share: float = Field(default=1.0, ge=0, le=1)
    estimate: float = Field(default=1.25, gt=0)
    utilisation: float = Field(default=1.0, gt=0)
    clock_error: float = Field(default=0.01, ge=0, le=1)
    setup_slack_ns: float = 0.0
    hold_slack_ns: float = 0.0
    pulse_width_slack_ns: float = 0.0
    baseline: Literal["fail", "warn", "ignore"] = "warn"
    accuracy_loss: float = Field(default=0.005, ge=0, le=1)
    error_growth: float = Field(default=0.05, ge=0)
    slowdown: float = Field(default=0.05, ge=0)
    growth: float = Field(default=0.02, ge=0, le=1)


SHRINK = (
    "lower the precisions, prune or shrink the biggest layers, share multipliers over more clocks "
    "(--interval, which `overlayflow estimate` lists, or --reuse-factor), or take a bigger part"
)
CHANGE = "change the model or the settings"


def at_most(
    name: str, value: float, limit: float, mode: Mode, message: str, *, advice: str = ""
) -> Gate:
    """Return a gate that passes if value <= limit, with advice if it does not."""
    return _compared(name, value, limit, mode, message, passed=value <= limit, advice=advice)


def at_least(
    name: str, value: float, limit: float, mode: Mode, message: str, *, advice: str = ""
) -> Gate:
    """Return a gate that passes if value >= limit, with advice if it does not."""
    return _compared(name, value, limit, mode, message, passed=value >= limit, advice=advice)


def _compared(
    name: str, value: float, limit: float, mode: Mode, message: str, *, passed: bool, advice: str
) -> Gate:
    return Gate(
        name=name,
        passed=passed,
        value=value,
        threshold=limit,
        mode=mode,
        message=message,
        advice="" if passed else advice,
    )


def holds(name: str, passed: bool, mode: Mode, yes: str, no: str) -> Gate:
    """Return a gate without a figure, with the message for either result."""
    message = yes if passed else no
    return Gate(name=name, passed=passed, value=None, threshold=None, mode=mode, message=message)


def require(checked: Iterable[Gate], run: object | None = None) -> tuple[Gate, ...]:
    """Return the gates, if none failed whose mode is `fail`.

    Args:
        checked: the gates.
        run: the record of the run that they judge, once it is published; the error carries it.

    Raises:
        DoesNotFitError: only utilisation gates failed.
        GateError: others failed; the message lists all failed gates.
    """
    gates = tuple(checked)
    failed = [gate for gate in gates if not gate.passed and gate.mode == "fail"]
    if failed:
        too_big = all(gate.name in UTILISATION_GATES for gate in failed)
        told = [f"gate failed: {_told(failed[0])}"]
        told += [f"  gate failed, {gate.name}: {_told(gate)}" for gate in failed[1:]]
        error = (DoesNotFitError if too_big else GateError)(
            "\n".join(told),
            where=failed[0].name,
            remedy=f"{SHRINK if too_big else CHANGE}, or change the gate's threshold or mode",
        )
        if isinstance(error, GateError):
            error.run = run
        raise error
    return gates


def _told(gate: Gate) -> str:
    """Return what a failed gate found, and its advice on a separate line."""
    return f"{gate.message}\n     {gate.advice}" if gate.advice else gate.message


def after_convert(project: HlsProject, settings: GateSettings) -> list[Gate]:
    """Check the cost of fixed-point numbers: compare the C simulation with the framework."""
    found: list[Gate] = []
    # Random inputs may be unlike any that the model will see.
    mode: Mode = "warn" if project.drawn_inputs else settings.mode
    judged = settings.model_copy(update={"mode": mode})
    for output in project.each_output:
        gates = [*_accurate(output, settings)]
        if output.fidelity is not None:
            gates += _faithful(output, output.fidelity, judged)
        found += [of_output(output.name, gate) for gate in gates]
    if project.fidelity is not None or project.outputs:
        found.append(_wrapped(project, judged))
    if project.departure:
        failed = [number for number, gate in enumerate(found) if not gate.passed][:1]
        for number in failed:
            advice = "; ".join(filter(None, (found[number].advice, project.departure)))
            found[number] = found[number].model_copy(update={"advice": advice})
    for output in project.each_output:
        found += [of_output(output.name, gate) for gate in _better_than_chance(output)]
    return found


def of_output(name: str, gate: Gate) -> Gate:
    """Return a gate named after the output that it judges, if that has a name."""
    if not name:
        return gate
    named = {"name": f"{gate.name} of {name}", "message": f"output {name}: {gate.message}"}
    return gate.model_copy(update=named)


def _accurate(output: OutputQuality, settings: GateSettings) -> Iterator[Gate]:
    """Check that the C simulation decides as well as the framework, if decisions are known."""
    if output.accuracy_framework is not None and output.accuracy_csim is not None:
        yield at_most(
            "csim accuracy",
            output.accuracy_framework - output.accuracy_csim,
            settings.csim_accuracy_drop,
            settings.mode,
            f"the C simulation classifies {output.accuracy_csim:.2%} correctly, the framework "
            f"{output.accuracy_framework:.2%}; allowed drop {settings.csim_accuracy_drop:.2%}",
        )


def _better_than_chance(output: OutputQuality) -> Iterator[Gate]:
    """Check that y_test has to do with X_test; which says nothing about the design."""
    if output.accuracy_framework is not None and output.accuracy_by_chance is not None:
        yield at_least(
            "better than chance",
            output.accuracy_framework,
            output.accuracy_by_chance,
            "warn",
            f"the framework classifies {output.accuracy_framework:.2%} correctly; by chance, the "
            f"same answers reach up to {output.accuracy_by_chance:.2%}",
            advice="check that y_test belongs to X_test, sample by sample, that its classes are "
            "numbered as in the training, and that X_test is scaled as there",
        )


def _wrapped(project: HlsProject, settings: GateSettings) -> Gate:
    """Check that no value overflows the format of its layer and wraps around."""
    share = max((each.share for each in project.overflows), default=0.0)
    message, advice = "all values stay within the number formats of their layers", ""
    if project.overflows:
        first = project.overflows[0]
        names = ", ".join(each.layer for each in project.overflows)
        sums = "sums" if first.variable == "accum" else "values"
        message = (
            f"{first.share:.2%} of the {sums} of {first.layer} wrap around: they reach from "
            f"{first.low:.4g} to {first.high:.4g}, its {first.variable} is {first.element} "
            f"(layers that wrap: {names})"
        )
        advice = (
            f"give layer_precision {first.layer}.{first.variable} more integer bits or SAT, or "
            "scale the data"
        )
    limit = settings.wrapped_share
    return at_most("wrapped values", share, limit, settings.mode, message, advice=advice)


def _faithful(output: OutputQuality, fidelity: Fidelity, settings: GateSettings) -> Iterator[Gate]:
    """Check that outputs are not all the same, decisions agree, and values are close."""
    mode = settings.mode
    yield holds(
        "csim varies",
        not fidelity.constant,
        mode,
        "the C simulation's outputs vary as the framework's do",
        "all samples give the same output in the C simulation, but not in the framework",
    )
    if fidelity.agreement is not None:
        yield at_least(
            "csim agreement",
            fidelity.agreement,
            settings.csim_agreement,
            mode,
            f"C simulation and framework agree in {fidelity.agreement:.2%} of all decisions; "
            f"required: {settings.csim_agreement:.2%}",
        )
    if fidelity.worst_class_agreement is not None:
        yield at_least(
            "csim class agreement",
            fidelity.worst_class_agreement,
            settings.csim_class_agreement,
            mode,
            f"of the framework's class {fidelity.worst_class}, the C simulation finds "
            f"{fidelity.worst_class_agreement:.2%}; required: {settings.csim_class_agreement:.2%}",
        )
    if output.meaning.kind == "values" or output.meaning.soft:
        yield from _close(output, fidelity, settings)


def _close(output: OutputQuality, fidelity: Fidelity, settings: GateSettings) -> Iterator[Gate]:
    """Check that values and probabilities are close to the framework's."""
    mode, spread = settings.mode, fidelity.spread
    yield at_most(
        "csim RMSE",
        fidelity.rmse / spread,
        settings.csim_rmse,
        mode,
        f"the C simulation is off by {fidelity.rmse:.4g} (RMSE), {fidelity.rmse / spread:.1%} of "
        f"the spread of the framework's outputs, {spread:.4g}; allowed: {settings.csim_rmse:.1%}",
    )
    if output.size <= FEW_OUTPUTS:
        yield at_most(
            "csim RMSE of one output",
            fidelity.worst_output_error,
            settings.csim_output_rmse,
            mode,
            f"one output is off by {fidelity.worst_output_error:.1%} of its own spread (RMSE); "
            f"allowed: {settings.csim_output_rmse:.1%}",
            advice="outputs of a layer share a number format: if some are far smaller than others, "
            "train with targets that are scaled alike",
        )
    if output.meaning.kind == "values":
        yield at_most(
            "csim largest error",
            fidelity.max_error / spread,
            settings.csim_max_error,
            mode,
            f"one output of the C simulation is off by {fidelity.max_error:.4g}, "
            f"{fidelity.max_error / spread:.1%} of the spread; "
            f"allowed: {settings.csim_max_error:.1%}",
        )


def after_synthesize(synthesis: Synthesis, settings: GateSettings) -> list[Gate]:
    """Check that the estimate, if the toolchain gives one, is not far beyond the part."""
    if synthesis.estimate is None:
        return []
    estimate = Utilisation(
        stage="estimated",
        used=synthesis.estimate,
        available=Resources.of_part(synthesis.project.settings.board_kind),
        by_module=synthesis.luts_by_layer,
    )
    mode: Mode = "warn" if synthesis.estimate_is_rough else settings.mode
    return [fits(ESTIMATED, estimate, synthesis.project.part, settings.estimate, mode)]


def before_placement(utilisation: Utilisation, part: str, settings: GateSettings) -> list[Gate]:
    """Check that the synthesized design fits, before hours of placement and routing."""
    return [fits(SYNTHESISED, utilisation, part, settings.utilisation, settings.mode)]


def after_implement(implementation: Implementation, settings: GateSettings) -> list[Gate]:
    """Check that the design fits, has the requested clock, and meets timing where it is known."""
    asked = 1000 / implementation.synthesis.project.settings.clock_period_ns
    gates: list[Gate] = []
    if implementation.synthesised is not None:
        gates += before_placement(implementation.synthesised, implementation.part, settings)
    gates += [
        fits(
            COUNTED,
            implementation.utilisation,
            implementation.part,
            settings.utilisation,
            settings.mode,
        ),
        at_most(
            "clock built",
            abs(implementation.clock_mhz / asked - 1),
            settings.clock_error,
            settings.mode,
            f"built for {implementation.clock_mhz:g} MHz, requested {asked:g} MHz",
        ),
    ]
    delay = implementation.utilisation.logic_delay_ns
    if delay is not None:
        # An estimate ends no run; but what no routing can save is worth a warning.
        period = 1000 / implementation.clock_mhz
        gates.append(
            at_most(
                "logic delay",
                delay,
                period,
                "warn",
                f"the longest path takes {delay:.2f} ns of the clock's {period:g} ns, estimated "
                "and without routing",
                advice="ask for a longer clock period",
            )
        )
    if implementation.failed_nets is not None:
        nets = implementation.failed_nets
        message = f"{nets} nets are unrouted or in conflict: the design cannot work"
        gates.append(at_most("failed routes", nets, 0, settings.mode, message))
    if implementation.timing is not None:
        for kind in ("setup", "hold", "pulse_width"):
            slack = getattr(implementation.timing, f"{kind}_slack_ns")
            limit = getattr(settings, f"{kind}_slack_ns")
            name = f"{kind.replace('_', ' ')} slack"
            gates.append(
                at_least(name, slack, limit, settings.mode, f"worst {name} is {slack:+.3f} ns")
            )
    return gates


def fits(name: str, utilisation: Utilisation, part: str, limit: float, mode: Mode) -> Gate:
    """Check that the most used resource of the part stays below the limit."""
    shares = resource_shares(utilisation)
    fullest = max(shares, key=lambda name: shares[name])
    table = ", ".join(
        f"{resource_label(name)} {used:,g} of {getattr(utilisation.available, name):,g}"
        for name in shares
        if (used := getattr(utilisation.used, name))
    )
    biggest = sorted(utilisation.by_module.items(), key=lambda item: -item[1])[:3]
    modules = ", ".join(f"{module} {luts:,} LUT" for module, luts in biggest)
    message = (
        f"{resource_label(fullest)} of {part} is {shares[fullest]:.1%} used, "
        f"{utilisation.stage} ({table}"
        f"{'; biggest: ' if modules else ''}{modules})"
    )
    return at_most(name, shares[fullest], limit, mode, message)


def resource_shares(utilisation: Utilisation) -> dict[str, float]:
    """Return used over available by resource, without resources that the part lacks."""
    return {
        name: getattr(utilisation.used, name) / getattr(utilisation.available, name)
        for name in Resources.model_fields
        if name != "schema_version" and getattr(utilisation.available, name) > 0
    }
